# cython: language_level=3, boundscheck=False, wraparound=False
"""MD5 of several bodies at once: the compiled twin of falcon_s3/_md5_py.py.

That module tells the rules; the names, signatures and answers here are the same. `md5_lanes.h` has what is hashed
without the interpreter.
"""

from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy, memset

cdef extern from "md5_lanes.h" nogil:
    enum:
        BLOCK
    struct pthread_cond_t:
        pass
    struct md5_job:
        uint32_t* state
        const unsigned char* data
        size_t blocks
        int waits
        pthread_cond_t woken
    const uint32_t MD5_START[4]
    void md5_init(md5_job* job)
    void pthread_cond_destroy(pthread_cond_t* condition)
    void md5_one(uint32_t* state, const unsigned char* data, size_t blocks)
    void md5_begin(md5_job* job)
    void md5_wait(md5_job* job, int patient)
    int md5_prepare()
    int md5_choose(int most)

# What is shorter is over before another thread could have taken the interpreter.
cdef enum:
    SHORT_BYTES = 16 << 10
    WORDS_BYTES = 16
    # A state is the four words and the length, as this machine has them, and what came after the last whole block.
    STATE_BYTES = WORDS_BYTES + 8

if md5_prepare():
    raise MemoryError


def use_instructions(int most):
    """For tests: take the best of what the processor has up to `most`, of 0 to 3; gives what was taken."""
    return md5_choose(most)


cdef class Md5:
    """The MD5 of what it was given."""

    cdef uint32_t words[4]
    cdef unsigned char rest[BLOCK]  # what came after the last whole block
    cdef uint64_t length
    cdef md5_job job  # of `data`
    cdef bytes data
    cdef bint busy

    def __cinit__(self, bytes state=None):
        cdef const unsigned char* given
        cdef Py_ssize_t held
        self.job.state = self.words
        self.job.blocks = 0
        self.job.waits = 0
        md5_init(&self.job)
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
        if self.data is not None:
            with nogil:
                md5_wait(&self.job, 0)
        pthread_cond_destroy(&self.job.woken)

    def update(self, bytes data not None, /):
        self.wait(True)
        self.take(data, data, len(data))

    def state(self):
        cdef unsigned char made[STATE_BYTES + BLOCK]
        cdef size_t held = self.length % BLOCK
        self.wait(True)
        memcpy(made, self.words, WORDS_BYTES)
        memcpy(made + WORDS_BYTES, &self.length, sizeof(self.length))
        memcpy(made + STATE_BYTES, self.rest, held)
        return made[:STATE_BYTES + held]

    def digest(self):
        cdef unsigned char last[2 * BLOCK]
        cdef uint32_t words[4]
        cdef unsigned char digest[16]
        cdef size_t held = self.length % BLOCK
        cdef size_t whole = BLOCK if held < BLOCK - 8 else 2 * BLOCK
        cdef uint64_t bits = self.length * 8
        cdef int i
        self.wait(False)
        memcpy(words, self.words, sizeof(words))
        memset(last, 0, sizeof(last))
        memcpy(last, self.rest, held)
        last[held] = 0x80
        for i in range(8):
            last[whole - 8 + i] = <unsigned char> (bits >> 8 * i)
        md5_one(words, last, whole // BLOCK)
        for i in range(16):
            digest[i] = <unsigned char> (words[i // 4] >> 8 * (i % 4))
        return digest[:16]

    cdef int wait(self, bint patient) except -1:
        """Until the words are those of all the bytes that came; `patient`: it need not be at once."""
        if self.busy:
            raise RuntimeError("an Md5 is used by two threads at once")  # they would write the same memory
        if self.data is not None:
            self.busy = True
            with nogil:
                md5_wait(&self.job, patient)
            self.busy = False
            self.data = None
        return 0

    cdef int take(self, bytes data, const unsigned char* bytes_, size_t length) except -1:
        cdef size_t held = self.length % BLOCK
        cdef size_t some
        self.length += length
        if held:
            some = min(length, BLOCK - held)
            memcpy(self.rest + held, bytes_, some)
            if held + some < BLOCK:
                return 0
            md5_one(self.words, self.rest, 1)
            bytes_ += some
            length -= some
        memcpy(self.rest, bytes_ + length // BLOCK * BLOCK, length % BLOCK)
        if length < SHORT_BYTES:
            md5_one(self.words, bytes_, length // BLOCK)
            return 0
        self.data = data
        self.job.data = bytes_
        self.job.blocks = length // BLOCK
        md5_begin(&self.job)
        return 0
