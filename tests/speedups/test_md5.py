"""MD5 of bodies that are hashed at one time: the values of RFC 1321, and hashlib's, whatever else is hashed beside them."""

from __future__ import annotations

import hashlib
import itertools
import os
import random
import shutil
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

# RFC 1321, A.5.
SUITE = {
    b"": "d41d8cd98f00b204e9800998ecf8427e",
    b"a": "0cc175b9c0f1b6a831c399e269772661",
    b"abc": "900150983cd24fb0d6963f7d28e17f72",
    b"message digest": "f96b697d7cb7938d525a2f31aaf161d0",
    b"abcdefghijklmnopqrstuvwxyz": "c3fcd3d76192e4007dfb496cca67e13b",
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789": "d174ab98d277d9f5a5611c2c9f419d9f",
    b"1234567890" * 8: "57edf4a22be3c955ac49da2e2107b67a",
}
SOURCES = Path(__file__).parents[2] / "_speedups"
LARGE = random.Random(7).randbytes(3 << 20)
# What is hashed where it is, a piece of a body as they come, and what ends within a block.
CUTS = (16 << 10, (16 << 10) + 1, 256 << 10, 100_000, 64, 1)


@pytest.fixture(params=range(4), ids=["none", "baseline", "avx2", "avx512"])
def instructions(md5, request):
    """Each set that this processor has. The twin has none to choose from, and does the same each time."""
    use = getattr(md5, "use_instructions", lambda number: number)
    if use(request.param) != request.param:
        use(3)
        pytest.skip("this processor does not have these instructions")
    yield
    use(3)


def digest(md5, chunks):
    made = md5.Md5()
    for chunk in chunks:
        made.update(chunk)
    return made.digest()


def cut(data, lengths):
    """The data in pieces of these lengths, again and again."""
    start = 0
    for length in itertools.cycle(lengths):
        if start >= len(data):
            return
        yield data[start : start + length]
        start += length


@pytest.mark.parametrize("message", SUITE)
def test_the_values_of_the_rfc(md5, message):
    """Messages of RFC 1321 have the digests that it gives."""
    assert digest(md5, [message]).hex() == SUITE[message]


@given(length=st.integers(0, 700), first=st.integers(0, 130))
def test_any_length(md5, length, first):
    """A message of any length, cut anywhere, has the digest that hashlib gives."""
    message = LARGE[:length]
    assert digest(md5, [message[:first], message[first:]]) == hashlib.md5(message).digest()


@given(length=st.integers(0, 1 << 20), lengths=st.lists(st.sampled_from(CUTS), min_size=1, max_size=5))
def test_long_messages_in_pieces(md5, length, lengths):
    """Long ones too, in pieces that are hashed where they are, later, or both in turn."""
    message = LARGE[-length:] if length else b""
    lengths = [*lengths, 256 << 10]  # not by single bytes alone
    assert digest(md5, cut(message, lengths)) == hashlib.md5(message).digest()


def test_a_digest_on_the_way(md5):
    """A digest is of what came until then, and more may come."""
    made, other = md5.Md5(), hashlib.md5()
    for chunk in cut(LARGE, CUTS[:4]):
        made.update(chunk)
        other.update(chunk)
        assert made.digest() == made.digest() == other.digest()


@given(
    begun=st.sampled_from((0, 1, 55, 56, 63, 64, 65, 119, 120, 127, 128, 129, 640)),
    lengths=st.lists(st.sampled_from(CUTS), max_size=3),
    more=st.lists(st.integers(0, 300 << 10), min_size=1, max_size=3),
)
def test_gone_on_with(md5, begun, lengths, more):
    """From a state others go on, each with its own bytes, and the one that gave it as if nothing had been asked."""
    first = LARGE[: begun + sum(lengths)]
    made = md5.Md5()
    for chunk in cut(first, [begun or 1, *lengths]):
        made.update(chunk)
    state = made.state()
    assert made.digest() == md5.Md5(state).digest() == hashlib.md5(first).digest()
    others = [md5.Md5(state) for _ in more]
    for each, length in zip(others, more, strict=True):
        each.update(LARGE[-length - 1 :])
    made.update(LARGE[:100])
    found = [each.digest() for each in others]
    assert found == [hashlib.md5(first + LARGE[-length - 1 :]).digest() for length in more]
    assert made.digest() == hashlib.md5(first + LARGE[:100]).digest()
    assert md5.Md5(state).digest() == hashlib.md5(first).digest()


def test_the_state_of_nothing(md5):
    """Where nothing came yet, another begins as if it were new; a state of it gives the same one again."""
    state = md5.Md5().state()
    again = md5.Md5(md5.Md5(state).state())
    again.update(b"abc")
    assert md5.Md5(state).digest().hex() == SUITE[b""]
    assert again.digest().hex() == SUITE[b"abc"]


@pytest.mark.usefixtures("instructions")
def test_gone_on_with_in_many_threads(md5):
    """Threads that go on from one state at one time, again and again from states of their own, take nothing from others."""
    first = md5.Md5()
    first.update(LARGE[: 300 << 10])
    state, begin = first.state(), threading.Barrier(5)

    def go_on(number):
        mine, digests = state, []
        begin.wait(10)
        for chunk in cut(LARGE[number * 1000 : 1 << 20], [(250 << 10) + number, 5000]):
            made = md5.Md5(mine)
            made.update(chunk)
            mine = made.state()
            digests.append(made.digest())
        return digests

    with ThreadPoolExecutor(5) as pool:
        found = list(pool.map(go_on, range(5)))
    for number, digests in enumerate(found):
        expected = hashlib.md5(LARGE[: 300 << 10])
        for got, chunk in zip(digests, cut(LARGE[number * 1000 : 1 << 20], [(250 << 10) + number, 5000]), strict=True):
            expected.update(chunk)
            assert got == expected.digest()


@given(pieces=st.lists(st.tuples(st.sampled_from(CUTS), st.booleans()), max_size=12))
def test_states_that_are_kept(md5, pieces):
    """Of the pieces after which that was asked for, in order, each given once; all of them when the digest is."""
    made, expected, found, start = md5.Md5(), [], [], 0
    for length, keep in pieces:
        made.update(LARGE[start : start + length], keep)
        start += length
        if keep:
            expected.append(hashlib.md5(LARGE[:start]).digest())
        found += made.kept()
        assert len(found) <= len(expected)
    assert made.digest() == hashlib.md5(LARGE[:start]).digest()
    found += made.kept()
    assert [md5.Md5(state).digest() for state in found] == expected
    assert made.kept() == []


@pytest.mark.parametrize("length", [100_000, 256 << 10, 1 << 20])
def test_little_waits(md5, length):
    """Of a body half a MiB is held until it is hashed, or one piece; with the digest nothing is."""
    pieces = [bytes(length) for _ in range(12)]  # each of its own

    def references():
        return [sys.getrefcount(piece) for piece in pieces]

    (free,) = set(references())
    made = md5.Md5()
    for number in range(len(pieces)):
        made.update(pieces[number])
        held = sum(count > free for count in references())
        assert held * length <= max(512 << 10, length)
    made.digest()
    assert set(references()) == {free}


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such limit")
def test_where_no_thread_can_be_had(md5):
    """It is hashed by who waits for it."""
    program = f"""
import hashlib, resource
from {md5.__name__} import Md5
data = bytes(range(256)) * 4096
pages = int(open("/proc/self/statm").read().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (4 << 20),) * 2)
made = Md5()
for start in range(0, len(data), 100_000):
    made.update(data[start:start + 100_000])
assert made.digest() == hashlib.md5(data).digest()
print(open("/proc/self/status").read().split("Threads:")[1].split()[0])
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ran.stdout, ran.stderr) == ("1\n", "")


@pytest.mark.parametrize("wrong", ["text", 1, bytearray(24)])
def test_only_states(md5, wrong):
    """What no Md5 gave is refused."""
    with pytest.raises(TypeError):
        md5.Md5(wrong)


def test_states_of_a_wrong_length(md5):
    """A state that was cut short or made longer is refused; the twin, whose states are no bytes, refuses every one."""
    for length in (0, 1, 63, 64, 100):
        made = md5.Md5()
        made.update(LARGE[:length])
        state = made.state()
        given = state if isinstance(state, bytes) else bytes(24 + length % 64)
        refused = ValueError if given is state else TypeError
        for wrong in (*(given[:end] for end in range(len(given))), given + b"x", given + bytes(64)):
            with pytest.raises(refused):
                md5.Md5(wrong)


@pytest.mark.usefixtures("instructions")
@pytest.mark.parametrize("threads", [2, 3, 4, 5, 8, 13])
def test_many_at_once(md5, threads):
    """Bodies that are hashed beside each other, of different lengths and cuts, each have their own digest."""
    begin = threading.Barrier(threads)
    messages = [LARGE[number * 1000 : len(LARGE) - number * 70_001] for number in range(threads)]

    def one(number):
        begin.wait(10)
        return digest(md5, cut(messages[number], CUTS[number % 2 :: 2] if number % 3 else [256 << 10]))

    with ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(one, range(threads)))
    assert found == [hashlib.md5(each).digest() for each in messages]


@pytest.mark.usefixtures("instructions")
@pytest.mark.parametrize("bodies", range(1, 10))
def test_so_many_at_a_time(md5, bodies):
    """Bodies that all came before one was asked for each have their own digest, whatever their number and lengths."""
    messages = [LARGE[number : 200_000 + number * 1001] for number in range(bodies)]
    made = [md5.Md5() for _ in messages]
    for each, message in zip(made, messages, strict=True):
        each.update(message)
    assert [each.digest() for each in made] == [hashlib.md5(message).digest() for message in messages]


@pytest.mark.usefixtures("instructions")
def test_those_that_wait_at_one_time(md5):
    """Of nine bodies that came before any was asked for, the last asked first and one given up, each is right."""
    messages = [LARGE[number : number + (1 + number % 3) * 100_000] for number in range(9)]
    made = [md5.Md5() for _ in messages]
    for each, message in zip(made, messages, strict=True):
        each.update(message)
    del each
    made[4] = None
    found = [each and each.digest() for each in reversed(made)]
    expected = [hashlib.md5(message).digest() for message in messages]
    expected[4] = None
    assert found == expected[::-1]


def test_given_up_while_others_go_on(md5):
    """Bodies that end before their time, in many threads, take nothing from the others."""
    ends = threading.Event()

    def give_up():
        while not ends.is_set():
            made = md5.Md5()
            for chunk in cut(LARGE[: 600 << 10], [256 << 10]):
                made.update(chunk)

    with ThreadPoolExecutor(5) as pool:
        running = [pool.submit(give_up) for _ in range(3)]
        try:
            found = [pool.submit(digest, md5, list(cut(LARGE, [200_000 + number]))) for number in range(8)]
            digests = {each.result(30) for each in found}
        finally:
            ends.set()
        for each in running:
            each.result(30)
    assert digests == {hashlib.md5(LARGE).digest()}


# One whose piece is hashed sleeps on, as a busy system has it, while another begins to wait, and who hashed for all ends.
WAKING = """
#include <semaphore.h>
#include "md5_queue.h"
static sem_t stopped, go_on, done;
static struct md5_job first, second;
static uint32_t states[2][4];
static unsigned char data[6400];
static void stop(int number) { sem_post(&stopped); while (sem_wait(&go_on)) {} }
static void *wait_for_first(void *nothing) { md5_wait(&first, 1, 0); return nothing; }
static void *wait_for_second(void *nothing) { md5_wait(&second, 1, 0); sem_post(&done); return nothing; }
static void until_it_waits(struct md5_job *job)
{
    for (int waits = 0; !waits; usleep(1000)) {
        pthread_mutex_lock(&md5_lock);
        waits = job->waits;
        pthread_mutex_unlock(&md5_lock);
    }
}
int main(void)
{
    pthread_t threads[2];
    struct timespec end;
    sem_init(&stopped, 0, 0); sem_init(&go_on, 0, 0); sem_init(&done, 0, 0);
    signal(SIGUSR1, stop);
    md5_prepare();
    md5_processors = 0; /* so that the hasher rests */
    md5_begin(&first, states[0]);
    md5_begin(&second, states[1]);
    md5_busy = 1; /* this thread hashes */
    md5_add(&first, data, 100);
    md5_add(&first, data, 100);
    pthread_create(&threads[0], NULL, wait_for_first, NULL);
    until_it_waits(&first);
    pthread_kill(threads[0], SIGUSR1);
    sem_wait(&stopped);
    pthread_mutex_lock(&md5_lock);
    md5_step(&first);
    pthread_mutex_unlock(&md5_lock);
    md5_add(&second, data, 100);
    pthread_create(&threads[1], NULL, wait_for_second, NULL);
    until_it_waits(&second);
    pthread_mutex_lock(&md5_lock);
    md5_busy = 0;
    md5_call();
    pthread_mutex_unlock(&md5_lock);
    sem_post(&go_on);
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += 10;
    return sem_timedwait(&done, &end) ? 1 : 0;
}
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no compiler")
@pytest.mark.skipif(not SOURCES.is_dir(), reason="what is tested is installed, without its sources")
def test_who_ends_wakes_one_that_waits_still(tmp_path):
    """Not one that has what it waited for: nobody would hash for the others."""
    program = tmp_path / "waking"
    options = ["-O1", "-w", "-I", SOURCES, "-x", "c", "-", "-o", program, "-pthread"]
    subprocess.run(["cc", *options], input=WAKING, text=True, check=True)
    assert subprocess.run([program], check=False).returncode == 0


def test_given_up_in_a_cycle(md5):
    """What is collected as garbage, as with the traceback of an error, is not freed while it is hashed."""
    program = f"""
import gc
from {md5.__name__} import Md5
for number in range(50):
    made, cycle = Md5(), []
    cycle += [cycle, made]
    made.update(bytes([number]) * (8 << 20))
    del made, cycle
    gc.collect()
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_after_a_fork(md5):
    """A child of a process whose threads hash goes on with what it has, and with new ones."""
    ends = threading.Event()
    half = md5.Md5()
    half.update(LARGE[: 1 << 20])

    def go_on():
        while not ends.is_set():
            digest(md5, cut(LARGE, [256 << 10]))

    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(go_on) for _ in range(2)]
        try:
            for _ in range(20):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", DeprecationWarning)  # that others run is what is tested
                    child = os.fork()
                if child == 0:
                    try:
                        half.update(LARGE[1 << 20 :])
                        right = half.digest() == digest(md5, [LARGE]) == hashlib.md5(LARGE).digest()
                    finally:
                        os._exit(0 if right else 1)
                assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        finally:
            ends.set()
        for each in running:
            each.result(30)


@pytest.mark.parametrize("wrong", [None, "text", 1])
def test_only_bytes(md5, wrong):
    """What is not bytes is refused, and changes nothing."""
    made = md5.Md5()
    made.update(b"abc")
    with pytest.raises(TypeError):
        made.update(wrong)
    assert made.digest().hex() == SUITE[b"abc"]
