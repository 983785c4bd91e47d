"""Batches prepared ahead are the same batches, in the same order, with the same errors."""

import threading
import time

import numpy as np
import pytest
import torch

from farthing.stages.train.feeding import AHEAD, Feed
from farthing.text.batches import Batch

CPU = torch.device("cpu")
PLACES = [(3 * i, 3) for i in range(6)]


def _load(first, count):
    tokens = np.random.default_rng(first).integers(0, 9, (count, 5))
    return Batch(tokens=tokens, end_of_text=0)


def _feeders():
    return [thread for thread in threading.enumerate() if thread.name == "feed"]


def _until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("ahead", [0, 1, 2, 10])
def test_every_batch_arrives_in_order_with_its_counts(ahead):
    with Feed(_load, PLACES, CPU, ahead=ahead) as feed:
        for first, count in PLACES:
            fed, batch = feed.next(first, count), _load(first, count)
            assert torch.equal(fed.tokens, torch.from_numpy(batch.tokens))
            assert (fed.attended_pairs, fed.digest) == (batch.attended_pairs, batch.digest)
        for _again in range(2):
            with pytest.raises(IndexError, match="after the last"):
                feed.next(18, 3)
    assert not _feeders()


@pytest.mark.parametrize("ahead", [0, 2])
def test_an_error_waits_for_its_own_batch(ahead):
    def load(first, count):
        if first == 6:
            raise OSError("the disk is gone")
        return _load(first, count)

    with Feed(load, PLACES, CPU, ahead=ahead) as feed:
        assert feed.next(0, 3).tokens.shape == (3, 5)
        assert feed.next(3, 3).tokens.shape == (3, 5)
        for _again in range(2):
            with pytest.raises(OSError, match="the disk is gone"):
                feed.next(6, 3)


def test_no_more_is_read_ahead_than_was_said():
    read = []

    def load(first, count):
        read.append(first)
        return _load(first, count)

    with Feed(load, PLACES, CPU, ahead=AHEAD) as feed:
        # Two wait in the queue, one waits for a place in it.
        _until(lambda: len(read) == AHEAD + 1)
        feed.next(0, 3)
        _until(lambda: len(read) == AHEAD + 2)
        time.sleep(0.05)
        assert read == [0, 3, 6, 9]
    assert not _feeders()


def test_leaving_in_the_middle_ends_the_thread():
    with pytest.raises(KeyboardInterrupt), Feed(_load, PLACES, CPU, ahead=2):
        raise KeyboardInterrupt
    assert not _feeders()


def test_on_cpu_there_is_no_thread_unless_asked_for():
    with Feed(_load, PLACES, CPU) as feed:
        feed.next(0, 3)
        assert not _feeders()


def test_another_batch_than_the_next_is_refused():
    with Feed(_load, PLACES, CPU) as feed, pytest.raises(AssertionError, match="fed"):
        feed.next(3, 3)


@pytest.mark.gpu
def test_an_accelerator_gets_the_same_tokens():
    device = torch.accelerator.current_accelerator()
    with Feed(_load, PLACES, device) as feed:
        for first, count in PLACES:
            fed = feed.next(first, count)
            assert fed.tokens.device.type == device.type
            assert torch.equal(fed.tokens.cpu(), torch.from_numpy(_load(first, count).tokens))
    assert not _feeders()
