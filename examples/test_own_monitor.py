"""How a program that uses lastseen tests its own alerts: an hour passes in no time."""

from lastseen import FakeClock, HeartbeatMonitor, RecordingNotifier


async def test_a_silent_pump_is_told_once() -> None:
    clock, sent = FakeClock(), RecordingNotifier()
    async with HeartbeatMonitor(offline_after="3m", notify=sent, clock=clock) as monitor:
        await monitor.heartbeat("pump")
        await clock.advance("1h")
    assert [m.event.type for m in sent.messages] == ["machine.offline"]
