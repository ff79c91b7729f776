"""Every log line is a constant event name plus fields; this table has them all, and the docs page is built from it.

`get_logger()` is what every module logs with. How lines look (console or JSON) is the server's business
(`lastseen.log_output`); a library user gets whatever structlog is configured to do.
"""

from __future__ import annotations

from typing import Any

import structlog

EVENTS: dict[str, tuple[str, str, str]] = {
    # name: (level, fields, meaning)
    "agent_goodbye": ("info", "result", "the agent stops and has said so"),
    "agent_heard": ("info", "server, failures", "the server took a report, the first or the first after failures"),
    "agent_key_changed": ("info", "", "the key file holds another key now; it is used from here on"),
    "agent_key_unreadable": ("debug", "error", "the key file cannot be read now; the last key stays in use"),
    "agent_not_heard": ("warning", "server, reason, failures", "a report was not taken; it is tried again"),
    "agent_number_missing": ("debug", "number, error", "this number cannot be read here; it is left out"),
    "agent_refused": (
        "error",
        "server, reason, hint",
        "the key is not accepted; tried again slowly, a new key at once",
    ),
    "agent_report_refused": ("warning", "reason", "the server will not have the numbers; a bare heartbeat is sent"),
    "agent_without_numbers": ("warning", "hint", "psutil is not installed: heartbeats carry no numbers"),
    "alerts_given_to_fallback": ("warning", "count", "a channel fails: its alerts go to its fallback as well"),
    "blind_time_recorded": ("warning", "source, reason, seconds", "nobody could have been heard for so long"),
    "bot_answer_lost": ("info", "bot, reason", "an answer to somebody who wrote to a bot did not get there"),
    "bot_failed": ("error", "bot, error", "something that a bot was told could not be worked on; it goes on"),
    "bot_not_read": ("warning", "bot, reason", "what people write to a bot cannot be read; it is tried again"),
    "bot_read": ("info", "bot, name", "what people write to this bot is read here"),
    "bot_read_again": ("info", "bot", "what people write to this bot can be read again"),
    "channel_disabled": ("warning", "channel, reason", "the far end will not have anything more; others are told"),
    "channel_failing": ("warning", "channel, reason, ready_in", "a send failed; the channel cools down"),
    "channel_without_notifier": ("warning", "channel, type, reason", "nothing here can send to this channel"),
    "chat_connected": ("info", "channel, chat", "a chat was connected by an invitation"),
    "chat_stopped": ("warning", "channel, by", "somebody in a chat wants it to hear nothing more"),
    "clock_fell_back": ("warning", "seconds", "the wall clock jumped back; store time runs slow until both agree"),
    "clock_stepped": ("warning", "seconds", "the wall clock jumped ahead; followed, and not held against anybody"),
    "dispatcher_failed": ("error", "error", "a pass of the dispatcher failed; it goes on"),
    "dispatcher_started": ("info", "", "what waits to be told is sent"),
    "doctor_check_failed": (
        "error",
        "check, error",
        "a check of `lastseen doctor` failed unexpectedly; the others go on",
    ),
    "emergency_told": ("warning", "channel", "a channel was told from memory that nothing can be written"),
    "emergency_untold": (
        "warning",
        "channel, reason, again_in",
        "a channel could not be told from memory that nothing can be written",
    ),
    "event_committed": ("info", "type, machine, seq, reason", "a change of status was written"),
    "event_untold": ("warning", "type, source", "this store tells nobody of sources: it is only logged"),
    "heartbeat_monitor_started": ("info", "interval, threshold", "the monitor watches"),
    "heartbeat_monitor_stopped": ("info", "", "the monitor has stopped"),
    "machine_clock_skewed": (
        "warning",
        "machine_id, seconds",
        "the machine's own clock is off by more than a minute; nothing is decided by it",
    ),
    "machine_parked": ("error", "machine_id, error", "deciding for this machine failed; it is tried again in 5 min"),
    "mail_recipient_refused": ("warning", "recipient, reason", "the server will not have it; the others do"),
    "message_lost": ("error", "error", "a message of a stream could not be stored"),
    "message_refused": ("warning", "error", "a message of a stream is no heartbeat that can be taken"),
    "mqtt_link_lost": ("warning", "source, reason", "a broker cannot be reached or went away; it is tried again"),
    "nobody_to_tell": ("warning", "hint", "there are machines, and no channel that is switched on; said once a day"),
    "notification_dead": ("error", "notification, channel, reason", "given up; `lastseen notifications replay`"),
    "notification_delivered": ("info", "notification, channel, type, machine", "the far end has it"),
    "notifier_answered_nonsense": ("warning", "channel, answer", "a plugin returned no outcome; taken for delivered"),
    "notifier_blocks": (
        "error",
        "channel, seconds",
        "a plugin held up everything for so long; `blocking = True` is its cure",
    ),
    "notifier_not_closed": ("warning", "error", "a plugin raised while it was closed"),
    "office_warned": ("warning", "problem", "something that was asked for was done, and something is wrong beside it"),
    "old_rows_deleted": ("info", "seconds, rows", "what was older than is kept, by table"),
    "outbox_tidied": ("warning", "count", "so many notifications ended untold: expired, or their channel is off"),
    "own_troubles_unknown": ("error", "error", "looking at our own disk, channels and machines failed; tried again"),
    "port_bound": ("info", "url", "connections queue from now on"),
    "proof_of_life_heard": ("info", "", "whoever watches us has heard that we live, for the first time or again"),
    "proof_of_life_unheard": ("warning", "reason", "we live, and whoever watches us has not heard it; tried again"),
    "publishing_failed": ("error", "source, error", "the machines' states could not be published; it is tried again"),
    "publishing_impossible": ("error", "source, reason", "the machines' states cannot be published to this broker"),
    "publishing_refused": ("error", "source, topic", "the broker does not let us publish here (told once)"),
    "record_failed": ("error", "error, beats", "a batch of heartbeats could not be stored; none was acknowledged"),
    "redis_away": ("warning", "reason", "the Redis server does not answer; everything is read from the database"),
    "redis_back": ("info", "seconds", "the Redis server answers again, after so long"),
    "redis_copy_failed": ("error", "error", "copying to the Redis server failed unexpectedly; it is tried again"),
    "refusals_not_written": ("error", "error", "how often keys were refused could not be stored; the counts wait"),
    "request_failed": ("error", "path, error", "a request failed unexpectedly; it was answered with 500"),
    "requests_finished": ("info", "", "what was in flight is answered, or had its time"),
    "retention_failed": ("error", "error", "old rows could not be deleted; it is tried again in an hour"),
    "run_not_started": ("error", "command, error", "`lastseen run` cannot start its command; that is reported"),
    "run_not_told": ("error", "reason, tries", "the server does not know how this run ended; the command was run"),
    "run_timed_out": ("warning", "seconds", "the command took longer than `--timeout` and is stopped"),
    "serving": ("info", "url, node", "requests are answered"),
    "settings_read": ("info", "data_dir, pid", "the server starts"),
    "settle_failed": ("error", "error", "a pass of the monitor failed; nothing was changed, it is tried again"),
    "slow_client_cut": (
        "info",
        "waited_for, connections",
        "requests did not arrive in time, of which nothing is kept; or answers were not read",
    ),
    "source_ended": ("error", "source, error", "a way in has stopped by itself; it is started again"),
    "source_heard_stranger": (
        "warning",
        "source, kind, name, detail",
        "a source heard an unknown name, or what cannot be read",
    ),
    "source_lags": ("warning", "source, since", "a broker does not answer; its machines are held until it does"),
    "source_lost": ("warning", "source, since", "the link of a source is lost; its machines are held"),
    "source_refused": ("error", "source, error", "a source that is set up cannot be used; the others go on"),
    "source_taken": ("info", "source", "this node hears and publishes for all what nodes cannot share"),
    "source_up": ("info", "source", "the link of a source is there"),
    "stopping": ("info", "signal", "nothing new is taken; a second signal ends the process at once"),
    "store_closed": ("info", "", "the server has ended, the database last"),
    "store_lost": ("error", "since, reason", "the database cannot be written for a minute; it is told from memory"),
    "store_lost_while_stopping": ("warning", "error", "leases and marks could not be given back"),
    "store_opened": ("info", "database", "the database is open and up to date"),
    "unknown_setting": ("warning", "problem", "a variable looks like a setting and is none"),
    "uplink_lost": ("warning", "since, by", "many machines are silent, and our own line is cut: they are held"),
    "uplink_restored": (
        "warning",
        "given_up",
        "our own line is there again, or was cut for too long to be an excuse",
    ),
    "uplink_unreachable": ("info", "error", "the address that says whether our own line is there did not answer"),
    "wake_missed": ("warning", "job, what", "the scheduler dropped or failed a wake-up"),
    "watch_failed": ("error", "error", "looking at how we are failed; meanwhile nobody is told that we live"),
    "watch_restored": ("info", "part, since", "what was wrong since then is right again"),
    "watch_troubled": (
        "error",
        "part, reason, since",
        "we do not do what we are there for, and nobody is told that we live",
    ),
}


def get_logger() -> Any:
    return structlog.get_logger("lastseen")
