"""A full pass finds nothing that the cycles before it, which looked at what moved, have not found."""

from random import Random

import pytest

from tests.scenarios.teller import Teller

NAMES = ("web", "db", "cache", "web-2")
STATUSES = ("running", "stopped", "pending", "paused")


def _a_line(random: Random, declared: list[str]) -> str:
    name, other = random.sample(NAMES, 2)
    number = random.randrange(4)
    here = " ".join(one for one in NAMES if random.random() < 0.8)
    return random.choice(
        [
            f"observe {name} status={random.choice(STATUSES)}",
            f"observe {name} image=v{number} parent=docker/nas/stack/{random.choice(['shop', 'shed'])}",
            f"observe {name} incarnation=c{number}",
            f"observe shop status={random.choice(STATUSES)}",
            f"scan containers: {here}",
            f"scan containers: {' '.join(NAMES)}",
            "scan stacks: shop shed",
            "scan stacks: shop",
            "fail containers unreachable gone-fishing",
            "gap containers unauthorized no-right kinds=container",
            f"gap containers unreachable no-answer in=docker/nas/stack/shop names={name},{other}",
            "gap stacks unauthorized no-right kinds=stack",
            "whole containers",
            "whole stacks",
            f"removed {name}",
            f"adopt {name} {other}",
            "adopt all",
            f"forget {name}",
            f"advance {random.choice([5, 60, 200, 700])}s",
            f"operator {random.choice(['maintenance', 'expected_offline', 'retired', 'never_auto'])} {name} 300s why",
            "operator maintenance docker/nas 100s moving",
            "operator expected_offline /lab 400s off",
            f"operator clear {name}",
            f"declare d{number} {{key: {name}, status: running, fields: {{spec.image: v{number}}}}}",
            f"declare s{number} {{selector: 'name={name[:2]}* status=running', fields: {{spec.image: v1}}}}",
            f"declare a{number} {{key: {name}, presence: absent}}",
            f"declare n{number} {{key: docker/nas/{random.choice(['container', 'volume'])}/never}}",
            f"declare p{number} {{selector: 'pool=/lab', criticality: high, status: running}}",
            f"pool front {{path: /lab/front, members: ['name={name[:2]}*'], unmanaged: {str(number % 2 > 0).lower()}}}",
            f"policy quiet {{selector: 'name={name}', ignore: [spec.image], severities: [{{severity: low}}]}}",
            f"withdraw {random.choice(declared or ['none'])}",
        ]
    )


@pytest.mark.parametrize("seed", range(6))
async def test_a_full_pass_finds_nothing_more(seed, tmp_path, clock):
    random, told, declared = Random(seed), [], []
    async with Teller.begin(tmp_path / "store.duckdb", clock) as teller:
        for line in ("every 300s", "shop is scope=stacks", "shed is scope=stacks", "scan stacks: shop shed"):
            await teller.do(line)
        if seed % 2:
            await teller.do("unmanaged")
        await teller.do(f"scan containers: {' '.join(NAMES)}")
        for _ in range(60):
            line = _a_line(random, declared)
            told.append(line)
            await teller.do(line)
            if line.split(" ")[0] in {"declare", "policy", "pool"}:
                declared.append(line.split(" ")[1])

            teller.reconciler.mark(everything=True)
            cycle = await teller.reconciler.cycle()

            story = "\n".join(told[-25:])
            assert (cycle.settled.transitions, cycle.settled.quietly, cycle.expecting) == ((), (), ()), story
            assert cycle.settled.recorded == (), story
