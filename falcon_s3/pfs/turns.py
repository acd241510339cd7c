"""Turns: who writes when, of many threads; jobs that wait for the same turn run in it together.

Jobs of one process queue behind a leader, processes queue on a file lock, so SQLite's busy handler (which sleeps and
starves) never decides. The leader runs every job that waits, in one transaction: one sync serves them all. Before that
sync the turn goes on, to the first of those who came meanwhile, and only it is woken for that. Where nobody waits for a
job that is to lead, as its end is told to somebody (`write_later`), a thread of this module leads.

Where no turn comes, as who has it was stopped (SIGSTOP) or its disk hangs, all but the leader give up: else they would hold
all threads of a server, and nobody could read any more either.

Jobs of a kind may share statements (`write_together`): each statement hands over the interpreter's lock, which comes
back late where other threads want it too.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from falcon_s3.pfs import Unavailable

if TYPE_CHECKING:
    from falcon_s3.pfs.catalog import Connection

logger = logging.getLogger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")

# How long a turn may wait for as many jobs as the last ones had: it costs as much processor as four small files in it.
GATHER_SECONDS = 0.001
# How long one turn may take, or be waited for, before others are not kept waiting for it.
PATIENCE_SECONDS = 30.0


class Job(Generic[Item, Result]):
    """One waiting write and, once it ran, what came of it. `run` gives the results of many items.

    A thread waits for it, or `told` is called with it, by whoever ran it.
    """

    __slots__ = ("ended", "error", "item", "leads", "result", "run", "told", "woken")

    def __init__(
        self,
        run: Callable[[Connection, Sequence[Item]], Sequence[Result]],
        item: Item,
        told: Callable[[Job[Item, Result]], None] | None = None,
    ):
        self.run = run
        self.item = item
        self.told = told
        self.result: Result | None = None
        self.error: BaseException | None = None
        self.leads = False  # it did not run yet: its thread runs what waits
        self.ended = False
        self.woken = threading.Lock()  # held until it ran or leads
        self.woken.acquire()

    def end(self) -> None:
        self.ended = True
        if self.told is None:
            self.woken.release()
            return
        try:
            self.told(self)
        except Exception:  # whoever else waits is told still
            logger.exception("the end of a write could not be told")


class Turns(ABC):
    """The jobs of one process. Whoever derives from it says what a turn is and how jobs run in it."""

    def __init__(self) -> None:
        self._queue = threading.Lock()  # around the next three, for moments
        self._waiting: deque[Job[Any, Any]] = deque()
        self._led = False  # a thread runs what waits, or is about to
        self._moved = 0.0  # when the last turn began, ended or was asked for, by the monotonic clock
        self._turns = deque((0, 0), maxlen=2)  # how many jobs the last ones had
        self._wanted = sys.maxsize  # when so many wait, `enough` is released
        self._enough = threading.Lock()
        self._enough.acquire()
        self._called: SimpleQueue[Job[Any, Any] | None] = SimpleQueue()
        self._writing = threading.Thread(target=self._write_for_others, name="writer", daemon=True)
        self._writing.start()

    @abstractmethod
    def turn(self) -> AbstractContextManager[None]:
        """Hold off every other writer of the store, in this process and in others."""

    @abstractmethod
    def _run(self, jobs: Sequence[Job[Any, Any]]) -> None:
        """Inside a turn: give each job its result or its error."""

    @abstractmethod
    def _settle(self, jobs: Sequence[Job[Any, Any]]) -> None:
        """After the turn, in which others may be by now: make sure of the jobs that ran, or give them an error."""

    def write(self, run: Callable[[Connection], Result]) -> Result:
        """Run a job in a transaction and give its result once that is on disk; what it raises undoes it.

        A job may run twice, the first time for nothing: it does nothing but to the connection. Raises Unavailable
        when the disk is full or the database cannot be written, and when no turn comes.
        """
        return self.write_together(one_by_one, run)

    def write_together(self, run: Callable[[Connection, Sequence[Item]], Sequence[Result]], item: Item) -> Result:
        """As `write`: `run` is called with the items of all such jobs that wait, and gives their results in order.

        It changes nothing of what `kept_branches` keeps.
        """
        job = Job(run, item)
        with self._queue:
            if self._led:
                self._waiting.append(job)
            else:
                self._led = job.leads = True
                self._moved = time.monotonic()
        if not job.leads:
            try:
                is_served = self._wait(job)
            except BaseException:  # the thread is interrupted
                self._give_up(job)
                raise
            if not is_served:
                raise Unavailable(f"nothing could be written for {PATIENCE_SECONDS:.0f} seconds: a write is held up")
        if job.leads:
            self._lead(job)
        if job.error is not None:
            raise job.error
        return job.result  # type: ignore[return-value]  # a job that did not fail has its result

    def write_later(
        self,
        run: Callable[[Connection, Sequence[Item]], Sequence[Result]],
        item: Item,
        told: Callable[[Job[Item, Result]], None],
    ) -> None:
        """As `write_together`, without waiting: `told` gets the job when it ran. It must not wait nor raise."""
        job = Job(run, item, told)
        with self._queue:
            if self._led:
                self._waiting.append(job)
                if len(self._waiting) >= self._wanted and self._enough.locked():
                    self._enough.release()
                return
            self._led = True
            self._moved = time.monotonic()
        self._called.put(job)

    def _wait(self, job: Job[Any, Any]) -> bool:
        """Until the job ran or leads; False: no turn came, and it never runs."""
        while not job.woken.acquire(timeout=max(0.0, self._patience())):
            with self._queue:
                is_waiting = job in self._waiting
                if is_waiting and self._patience() <= 0:
                    job.ended = True
                    self._waiting.remove(job)
                    return False
            if not is_waiting:  # it runs
                job.woken.acquire()
                break
        return True

    def _patience(self) -> float:
        """For how long the turn is waited for still, in seconds."""
        return self._moved + PATIENCE_SECONDS - time.monotonic()

    def _write_for_others(self) -> None:
        """Lead whenever no thread waits for the job whose turn it is to lead."""
        is_open = True
        while is_open or not self._called.empty():
            job = self._called.get()
            if job is None:
                is_open = False
            else:
                self._gather()
                self._lead(job)

    def _gather(self) -> None:
        """Wait for as many as the last turns had, but not for long: those who were answered mostly come again."""
        wanted = max(self._turns) - 1
        if len(self._waiting) >= wanted:
            return
        self._wanted = wanted
        self._enough.acquire(timeout=GATHER_SECONDS)
        self._wanted = sys.maxsize

    def _lead(self, own: Job[Any, Any]) -> None:
        """Run what waits, hand over to the first of those who came meanwhile, and tell those whose jobs ran."""
        jobs = [own]
        try:
            with self.turn():
                with self._queue:
                    self._moved = time.monotonic()
                    jobs += self._waiting
                    self._waiting.clear()
                self._turns.append(len(jobs))
                self._run(jobs)
        except BaseException as ex:
            for job in jobs:
                job.result, job.error = None, job.error or ex
            if not isinstance(ex, Exception):
                raise
        finally:
            self._hand_over()  # first, so that somebody writes while the disk works and the others answer
            try:
                self._settle(jobs)
            finally:
                for job in jobs:
                    job.end()

    def _hand_over(self) -> None:
        with self._queue:
            self._moved = time.monotonic()
            following = self._waiting.popleft() if self._waiting else None
            self._led = following is not None
            if following is not None and following.told is None:
                following.leads = True
                following.woken.release()
        if following is not None and following.told is not None:
            self._called.put(following)

    def _give_up(self, job: Job[Any, Any]) -> None:
        """Nobody waits for the job any more. Afterwards it has run to its end, or never runs."""
        with self._queue:
            if job in self._waiting:
                self._waiting.remove(job)
                return
        if not (job.leads or job.ended):
            job.woken.acquire()
        if job.leads:  # the next one does, in its place
            self._hand_over()

    def close(self) -> None:
        """Returns when those who are told later have been told."""
        self._called.put(None)
        self._writing.join()


def one_by_one(connection: Connection, runs: Sequence[Callable[[Connection], Result]]) -> Sequence[Result]:
    """Jobs that share nothing but the transaction."""
    return [run(connection) for run in runs]
