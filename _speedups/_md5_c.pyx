# cython: language_level=3, boundscheck=False, wraparound=False
"""MD5 of several bodies at once: the compiled twin of falcon_s3/_md5_py.py.

That module tells the rules; the names, signatures and answers here are the same. `md5_queue.h` has who hashes, without
the interpreter.
"""

cimport cython
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy, memset

cdef extern from "md5_lanes.h" nogil:
    enum:
        BLOCK
    const uint32_t MD5_START[4]
    void md5_blocks(uint32_t* state, const unsigned char* data, size_t blocks)
    int md5_choose(int most)

cdef extern from "md5_queue.h" nogil:
    enum:
        MOST_PIECES
    struct md5_piece:
        uint32_t after[4]
    struct md5_job:
        md5_piece pieces[0]
        unsigned came
    void md5_begin(md5_job* job, uint32_t* state)
    void md5_add(md5_job* job, const unsigned char* data, size_t blocks)
    unsigned md5_done(md5_job* job, int* few)
    void md5_wait(md5_job* job, unsigned done, int patient)
    void md5_end(md5_job* job)
    int md5_prepare()

cdef enum:
    # What is shorter is over before another thread could have taken the interpreter.
    SHORT_BYTES = 16 << 10
    # So many bytes of a body wait, or one piece; less where there are more bodies than processors: nothing is gained then,
    # and what waits takes the place of something else in the cache.
    MOST_BYTES = 512 << 10
    MOST_BYTES_OF_MANY = 256 << 10
    WORDS_BYTES = 16
    # A state is the four words and the length, as this machine has them, and what came after the last whole block.
    STATE_BYTES = WORDS_BYTES + 8

if md5_prepare():
    raise MemoryError


def use_instructions(int most):
    """For tests: take the best of what the processor has up to `most`, of 0 to 3; gives what was taken."""
    return md5_choose(most)


# Bytes refer to nothing, so no cycle goes through here. If the collector knew of it, it would free what is in `held` of
# one that a cycle refers to, before `__dealloc__` waits for those who read it.
@cython.no_gc
cdef class Md5:
    """The MD5 of what it was given."""

    cdef uint32_t words[4]
    cdef unsigned char rest[BLOCK]  # what came after the last whole block
    cdef uint64_t length
    cdef md5_job job
    cdef bint busy
    # Of the pieces that are not known to be hashed, from number `known` on, at the places that they have in the job:
    cdef list held  # their bytes
    cdef uint64_t lengths[MOST_PIECES]  # of the message until their end; 0: its state there is not asked for
    cdef unsigned known
    cdef list states  # those that were asked for, and are known

    def __cinit__(self, bytes state=None):
        cdef const unsigned char* given
        cdef Py_ssize_t held
        md5_begin(&self.job, self.words)
        self.held = [None] * MOST_PIECES
        self.states = []
        if state is None:
            memcpy(self.words, MD5_START, WORDS_BYTES)
            return
        given = state
        if len(state) >= STATE_BYTES:
            memcpy(&self.length, given + WORDS_BYTES, sizeof(self.length))
        held = self.length % BLOCK  # of a state that is too short: none
        if len(state) != STATE_BYTES + held:
            raise ValueError("not a state of an Md5")
        memcpy(self.words, given, WORDS_BYTES)
        memcpy(self.rest, given + STATE_BYTES, held)

    def __dealloc__(self):
        with nogil:
            md5_end(&self.job)

    def update(self, bytes data not None, /, bint keep=False):
        cdef const unsigned char* start = data
        cdef size_t length = len(data)
        cdef size_t held = self.length % BLOCK
        cdef size_t some
        if held or length < SHORT_BYTES:
            self.wait(self.job.came, False)
        self.length += length
        if held:
            some = min(length, BLOCK - held)
            memcpy(self.rest + held, start, some)
            if held + some == BLOCK:
                md5_blocks(self.words, self.rest, 1)
            start += some
            length -= some
        if not held or held + some == BLOCK:
            memcpy(self.rest, start + length // BLOCK * BLOCK, length % BLOCK)
        if length < SHORT_BYTES:
            md5_blocks(self.words, start, length // BLOCK)
        else:
            self.add(data, start, length, keep)
        if keep and (length < SHORT_BYTES or length % BLOCK):
            self.states.append(self.state())

    def kept(self):
        states, self.states = self.states, []
        return states

    def state(self):
        self.wait(self.job.came, False)
        return state_of(self.words, self.length, self.rest)

    def digest(self):
        cdef unsigned char last[2 * BLOCK]
        cdef uint32_t words[4]
        cdef unsigned char digest[16]
        cdef size_t held = self.length % BLOCK
        cdef size_t whole = BLOCK if held < BLOCK - 8 else 2 * BLOCK
        cdef uint64_t bits = self.length * 8
        cdef int i
        self.wait(self.job.came, False)
        memcpy(words, self.words, sizeof(words))
        memset(last, 0, sizeof(last))
        memcpy(last, self.rest, held)
        last[held] = 0x80
        for i in range(8):
            last[whole - 8 + i] = <unsigned char> (bits >> 8 * i)
        md5_blocks(words, last, whole // BLOCK)
        for i in range(16):
            digest[i] = <unsigned char> (words[i // 4] >> 8 * (i % 4))
        return digest[:16]

    cdef int add(self, bytes data, const unsigned char* start, size_t length, bint keep) except -1:
        """Have a piece hashed, when there is room for it."""
        cdef unsigned place
        cdef bint few = self.look()
        while self.known != self.job.came and self.is_full(length, MOST_BYTES if few else MOST_BYTES_OF_MANY):
            few = self.wait(self.known + 1, True)
        place = self.job.came % MOST_PIECES
        self.held[place] = data
        self.lengths[place] = self.length if keep and length % BLOCK == 0 else 0
        md5_add(&self.job, start, length // BLOCK)
        return 0

    cdef bint is_full(self, size_t length, size_t most):
        cdef unsigned number = self.known
        while number != self.job.came:  # they may begin anew at 0
            length += len(<bytes> self.held[number % MOST_PIECES])
            number += 1
        return length > most or self.job.came - self.known == MOST_PIECES

    cdef int wait(self, unsigned number, bint patient) except -1:
        """Until so many pieces are hashed, `patient` or not; what `look` gives."""
        if self.busy:
            raise RuntimeError("an Md5 is used by two threads at once")  # they would write the same memory
        if self.known == self.job.came:
            return True
        self.busy = True
        with nogil:
            md5_wait(&self.job, number, patient)
        self.busy = False
        return self.look()

    cdef int look(self) except -1:
        """Let go of what is hashed. Whether there are no more bodies than processors."""
        cdef int few
        cdef unsigned place
        cdef unsigned done = md5_done(&self.job, &few)
        while self.known != done:
            place = self.known % MOST_PIECES
            self.held[place] = None
            if self.lengths[place]:
                self.states.append(state_of(self.job.pieces[place].after, self.lengths[place], self.rest))
            self.known += 1
        return few


cdef bytes state_of(const uint32_t* words, uint64_t length, const unsigned char* rest):
    cdef unsigned char made[STATE_BYTES + BLOCK]
    cdef size_t held = length % BLOCK
    memcpy(made, words, WORDS_BYTES)
    memcpy(made + WORDS_BYTES, &length, sizeof(length))
    memcpy(made + STATE_BYTES, rest, held)
    return made[:STATE_BYTES + held]
