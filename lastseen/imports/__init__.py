"""Moving here from another monitoring program: its database is read into a plan, and the plan is carried out.

`tables` opens a source, whatever it is stored in; `healthchecks`, `kuma` and `lunasentri` each read one program's
tables into a `plan.Plan`, which knows nothing of where it came from; `mover` carries it out, each row in one
transaction.
Nothing is ever written to the source.
"""
