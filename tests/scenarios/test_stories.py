"""Stories of absence and drift: text scripts whose transcript stands between their lines.

A line that begins with ``>`` is done; what follows it is what came of it.  ``REWRITE_STORIES=1 pytest tests/scenarios``
writes the transcripts anew: the difference is the change of behaviour, to be read before it is committed.
"""

import os
from pathlib import Path

import pytest

from tests.scenarios.teller import Teller

STORIES = sorted((Path(__file__).parent / "stories").glob("*.story"))


@pytest.mark.parametrize("story", STORIES, ids=lambda path: path.stem)
async def test_the_story_goes_as_it_is_written(story, tmp_path, clock):
    written = story.read_text()
    title, *lines = [line for line in written.splitlines() if line.startswith((">", "#")) or not line.strip()]

    async with Teller.begin(tmp_path / "store.duckdb", clock) as teller:
        told = [title]
        for line in lines:
            told.append(line)
            if line.startswith(">"):
                told += [f"  {happened}" for happened in await teller.do(line.removeprefix(">").strip())]
    text = "\n".join(told) + "\n"

    if os.environ.get("REWRITE_STORIES"):
        story.write_text(text)
    assert text == written


def test_there_are_stories():
    assert len(STORIES) >= 10
