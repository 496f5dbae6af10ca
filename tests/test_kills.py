"""SIGKILL at random moments of a batch: nothing reported stored is lost, nothing half is left, and the work completes."""

from kill_batch import kills, system_at


def test_five_kills_lose_nothing(tmp_path):
    stored, inside = kills(tmp_path, 5, seed=2018)
    days = system_at(tmp_path / "trained").market.bars("VIX").index
    assert stored == [len(days[560:])] * 5
    assert inside, "every kill came too late to test anything"
