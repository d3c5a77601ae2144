"""Worker processes: what they find, what becomes of those that die, and what is left behind."""

import multiprocessing
import os
import signal

import pytest
from distributed import LocalCluster

from backtest.sweep.cluster import Cluster
from backtest.sweep.work import CONFIRMED, FAILED
from backtest.sweep.workers import InProcess, Processes
from bot.domain.errors import ConfigurationError
from support.sweep_cases import FatalAtFive, memory_of, some_work


def figures(found):
    return {each.number: (each.state, each.figures) for each in found}


def batches(job, count, size=1):
    jobs = [job(number, k=str(1 + number / 10)) for number in range(count)]
    return [jobs[at : at + size] for at in range(0, count, size)]


@pytest.fixture(autouse=True)
def _nothing_is_left_in_shared_memory():
    yield
    assert memory_of(os.getpid()) == set()
    assert multiprocessing.active_children() == []


def test_a_killed_worker_is_replaced_and_its_combination_repeated():
    work, job = some_work()
    with Processes(work, 2) as pool:
        running = pool.run(batches(job, 40, size=4))
        found = [next(running)]
        assert memory_of(os.getpid())
        os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)
        found += running
    assert sorted(each.number for each in found) == list(range(40))
    assert {each.state for each in found} == {CONFIRMED}
    assert figures(found) == figures(InProcess(work).run(batches(job, 40)))


def test_what_kills_its_worker_twice_fails_and_the_others_go_on():
    work, job = some_work(kind=FatalAtFive)
    with Processes(work, 2) as pool:
        found = list(pool.run(batches(job, 9, 4)))
    assert sorted(each.number for each in found) == list(range(9))
    failed = [each for each in found if each.state == FAILED]
    assert [each.number for each in failed] == [5]
    assert "died 2 times (exit code 9)" in failed[0].error


def test_one_worker_goes_on_after_it_died():
    work, job = some_work(kind=FatalAtFive)
    with Processes(work, 1) as pool:
        found = list(pool.run(batches(job, 9, 1)))
    assert [each.number for each in found if each.state == FAILED] == [5]
    assert len(found) == 9


def test_ctrl_c_does_not_reach_the_workers():
    work, job = some_work()
    with Processes(work, 1) as pool:
        worker = multiprocessing.active_children()[0]
        os.kill(worker.pid, signal.SIGINT)
        assert len(list(pool.run(batches(job, 4)))) == 4
        assert multiprocessing.active_children() == [worker]


def test_a_pool_that_is_left_early_ends_its_processes():
    work, job = some_work()

    def leave():
        with Processes(work, 2) as pool:
            next(pool.run(batches(job, 40)))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        leave()


def test_the_workers_of_a_dask_scheduler_find_the_same():
    work, job = some_work()
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, processes=True
        ) as scheduler,
        Cluster(work, scheduler.scheduler_address) as cluster,
    ):
        assert cluster.width == 2
        found = list(cluster.run(batches(job, 12, 3)))
        assert cluster.cpu_s > 0
    assert figures(found) == figures(InProcess(work).run(batches(job, 12)))


def test_a_scheduler_that_does_not_answer_is_a_setting_to_correct():
    work, _ = some_work()
    with pytest.raises(ConfigurationError, match="no Dask scheduler"):
        Cluster(work, "nonsense://x")
