-- Tried, not needed: `liveness` in 16 parts by machine, in one transaction that nobody may write beside (stop the nodes).
-- What it is good for, and what it costs: docs/scale.md.
BEGIN;
LOCK TABLE liveness IN ACCESS EXCLUSIVE MODE;
ALTER TABLE liveness RENAME TO liveness_whole;
ALTER INDEX pk_liveness RENAME TO pk_liveness_whole;
ALTER INDEX liveness_due RENAME TO liveness_due_whole;
ALTER INDEX liveness_troubled RENAME TO liveness_troubled_whole;
ALTER INDEX liveness_expecting RENAME TO liveness_expecting_whole;
CREATE TABLE liveness (LIKE liveness_whole INCLUDING DEFAULTS INCLUDING CONSTRAINTS) PARTITION BY HASH (machine_id);
DO $$
BEGIN
  FOR part IN 0..15 LOOP
    EXECUTE format(
      'CREATE TABLE liveness_%s PARTITION OF liveness FOR VALUES WITH (MODULUS 16, REMAINDER %s) WITH (fillfactor = 50,'
      ' autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 1)', part, part);
  END LOOP;
END $$;
INSERT INTO liveness SELECT * FROM liveness_whole;
ALTER TABLE liveness ADD CONSTRAINT pk_liveness PRIMARY KEY (machine_id);
ALTER TABLE liveness ADD CONSTRAINT fk_liveness_machine_id FOREIGN KEY (machine_id) REFERENCES machines (id)
  ON DELETE CASCADE;
CREATE INDEX liveness_due ON liveness (check_at) WHERE check_at IS NOT NULL;
CREATE INDEX liveness_troubled ON liveness (status) WHERE status <> 'online';
CREATE INDEX liveness_expecting ON liveness (machine_id) WHERE expect_at IS NOT NULL;
DROP TABLE liveness_whole;
COMMIT;
