from daemon.reconcile import roots
from schemas.deviations import Deviation, DeviationType, Severity
from tests.support.events import NOON, after, key

SHOP, WEB, SIDE = "docker/nas/stack/shop", key("web"), key("side")


def deviation(of, kind=DeviationType.STOPPED, at=NOON):
    return Deviation(
        id=f"{kind} {of}", key=of, type=kind, path="status", severity=Severity.HIGH, detected_at=at, last_seen_at=at
    )


def found(*still_open, parents=None):
    every = roots.explained(still_open, parents or {WEB: SHOP})
    return {one.split(" ")[1]: root.key for one, root in every.items()}


def test_a_child_of_what_is_stopped_is_a_consequence():
    assert found(deviation(SHOP), deviation(WEB)) == {WEB: SHOP}


def test_nothing_explains_itself_or_a_stranger():
    assert found(deviation(SHOP), deviation(SIDE)) == {}
    assert found(deviation(WEB), parents={WEB: WEB}) == {}


def test_the_topmost_cause_counts():
    assert found(deviation(SHOP), deviation(WEB), deviation(SIDE), parents={SIDE: WEB, WEB: SHOP}) == {
        WEB: SHOP, SIDE: SHOP,
    }  # fmt: skip


def test_a_circle_ends():
    assert found(deviation(SHOP), deviation(WEB), parents={SHOP: WEB, WEB: SHOP}) == {WEB: SHOP, SHOP: WEB}


def test_another_image_is_no_consequence():
    assert found(deviation(SHOP), deviation(WEB, DeviationType.CHANGED)) == {}
    assert found(deviation(SHOP, DeviationType.CHANGED), deviation(WEB)) == {}


def test_what_was_wrong_long_before_has_reasons_of_its_own():
    assert found(deviation(SHOP, at=after(601)), deviation(WEB)) == {}
    assert found(deviation(SHOP, at=after(599)), deviation(WEB)) == {WEB: SHOP}
