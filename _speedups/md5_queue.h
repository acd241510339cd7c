/* The messages whose MD5 is asked for, and who hashes them, together (`md5_lanes.h`).

   A message comes in pieces, some of which may wait; whose turn it is to hash takes some blocks of all messages at a time,
   so that who comes meanwhile joins.

   While there are no more messages than processors, that is a thread of its own, the hasher: what else is done with a body
   goes on beside it. Where there are more, everybody has enough to do, and a thread more would only take its turn among
   them: then who has to wait for a piece hashes, after it waited a little for as many as lately came. */

#ifndef MD5_QUEUE_H
#define MD5_QUEUE_H

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "md5_lanes.h"

/* So many pieces of a message may wait; so many blocks are hashed at a time, 20 us of one message. */
enum { MOST_PIECES = 4, MOST_BLOCKS = 256 };

/* So long a message waits for others to be hashed beside it, as threads that share a core come in their turn of some
   milliseconds; so long after its last piece it counts among those that are there. */
enum { PATIENCE_NS = 3000000, LATELY_NS = 30000000, SECOND_NS = 1000000000 };

struct md5_piece {
    const unsigned char *data;
    size_t blocks; /* that are not hashed yet */
    uint32_t after[4]; /* the state of the message behind it, once it is hashed */
};

/* A message. `woken`: the thread that waits for it, there is one at most. */
struct md5_job {
    uint32_t *state;
    struct md5_piece pieces[MOST_PIECES]; /* number n is at n % MOST_PIECES */
    unsigned came, done; /* how many pieces, and how many of them are hashed */
    int64_t last; /* when the last one came; 0: none did */
    int waits;
    unsigned wanted; /* it waits until so many pieces are hashed */
    pthread_cond_t woken;
    struct md5_job *next, *next_open;
};

static pthread_mutex_t md5_lock = PTHREAD_MUTEX_INITIALIZER; /* around what follows, for moments */
static pthread_cond_t md5_called; /* the hasher */
static int md5_has_hasher;
static int md5_busy; /* some thread hashes, for all */
static struct md5_job *md5_first; /* the queue: those with pieces that are not hashed, in the order of their coming */
static int md5_count; /* of those in the queue */
static struct md5_job *md5_open; /* all that had a piece */
static int md5_last[4], md5_turn; /* how many were in the queue when the last of those who hashed began */
static long md5_processors;

static int64_t md5_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t) now.tv_sec * SECOND_NS + now.tv_nsec;
}

/* Whether there are no more messages than processors. */
static int md5_is_few(void)
{
    int64_t now = md5_now();
    int count = 0;
    for (struct md5_job *job = md5_open; job; job = job->next_open)
        count += now - job->last < LATELY_NS;
    return count <= md5_processors;
}

/* Whether as many are here as at any of the last times: more are not likely to come. */
static int md5_enough(void)
{
    int most = 1;
    for (int i = 0; i < 4; i++)
        most = md5_last[i] > most ? md5_last[i] : most;
    return md5_count >= most || md5_count >= md5_most;
}

static void md5_append(struct md5_job *job)
{
    struct md5_job **place = &md5_first;
    while (*place)
        place = &(*place)->next;
    *place = job;
    job->next = NULL;
    md5_count++;
}

static void md5_remove(struct md5_job *job)
{
    struct md5_job **place = &md5_first;
    while (*place != job)
        place = &(*place)->next;
    *place = job->next;
    md5_count--;
}

/* Wake the hasher if it is its turn, and one of those who wait: one of the two hashes now. Not one that has what it waits
   for, and was only not woken yet: it goes its way, and all others would wait on. */
static void md5_call(void)
{
    if (md5_has_hasher && md5_is_few())
        pthread_cond_signal(&md5_called);
    for (struct md5_job *job = md5_first; job; job = job->next)
        if (job->waits && (int) (job->done - job->wanted) < 0) {
            pthread_cond_signal(&job->woken);
            return;
        }
}

/* Some blocks of those that are first in the queue, and of `own`, unless it is NULL, whose place does not matter: nobody
   can keep it from being done. Called with the lock, which is let go of meanwhile: nothing is written then, so that a
   fork finds every message whole. */
static void md5_step(struct md5_job *own)
{
    struct md5_job *jobs[MOST_LANES];
    uint32_t state[MOST_LANES][4];
    const unsigned char *data[MOST_LANES];
    size_t blocks = MOST_BLOCKS;
    int count = 0;
    if (own)
        jobs[count++] = own;
    for (struct md5_job *job = md5_first; job && count < md5_most; job = job->next)
        if (job != own)
            jobs[count++] = job;
    for (int i = 0; i < MOST_LANES; i++) {
        const struct md5_job *job = jobs[i < count ? i : 0]; /* a lane too many hashes the first, for nothing */
        const struct md5_piece *piece = &job->pieces[job->done % MOST_PIECES];
        blocks = piece->blocks < blocks ? piece->blocks : blocks;
        memcpy(state[i], job->state, sizeof state[i]);
        data[i] = piece->data;
    }
    pthread_mutex_unlock(&md5_lock);
    md5_of[count](state, data, blocks);
    pthread_mutex_lock(&md5_lock);
    for (int i = 0; i < count; i++) {
        struct md5_job *job = jobs[i];
        struct md5_piece *piece = &job->pieces[job->done % MOST_PIECES];
        memcpy(job->state, state[i], sizeof state[i]);
        piece->data += blocks * BLOCK;
        piece->blocks -= blocks;
        if (piece->blocks)
            continue;
        memcpy(piece->after, state[i], sizeof state[i]);
        job->done++;
        md5_remove(job);
        if (job->done != job->came)
            md5_append(job); /* behind all others */
        if (job->waits)
            pthread_cond_signal(&job->woken);
    }
}

/* The hasher, until the process ends. */
static void *md5_hash(void *nothing)
{
    pthread_mutex_lock(&md5_lock);
    for (;;) {
        while (!md5_first || md5_busy || !md5_is_few())
            pthread_cond_wait(&md5_called, &md5_lock);
        md5_busy = 1;
        while (md5_first && md5_is_few())
            md5_step(NULL);
        md5_busy = 0;
        md5_call();
    }
    return nothing;
}

/* Without a hasher, where no thread can be had, all works the same: who waits hashes. */
static void md5_start_hasher(void)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, before;
    sigfillset(&all); /* they are for threads that Python knows */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    md5_has_hasher = !pthread_create(&thread, &attributes, md5_hash, NULL);
    pthread_attr_destroy(&attributes);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* Add a piece, whose data must stay until it is hashed; fewer than MOST_PIECES must be waiting. */
static void md5_add(struct md5_job *job, const unsigned char *data, size_t blocks)
{
    pthread_mutex_lock(&md5_lock);
    struct md5_piece *piece = &job->pieces[job->came % MOST_PIECES];
    piece->data = data;
    piece->blocks = blocks;
    if (!job->last) {
        job->next_open = md5_open;
        md5_open = job;
    }
    job->last = md5_now();
    if (job->done == job->came++)
        md5_append(job);
    if (!md5_has_hasher)
        md5_start_hasher();
    if (!md5_busy && (md5_is_few() || md5_enough()))
        md5_call();
    pthread_mutex_unlock(&md5_lock);
}

/* How many pieces of a message are hashed; `few`: whether there are no more messages than processors. */
static unsigned md5_done(struct md5_job *job, int *few)
{
    pthread_mutex_lock(&md5_lock);
    unsigned done = job->done;
    *few = md5_is_few();
    pthread_mutex_unlock(&md5_lock);
    return done;
}

/* Returns when so many pieces of the message are hashed. `patient`: it need not be at once. */
static void md5_wait(struct md5_job *job, unsigned done, int patient)
{
    int64_t until = md5_now() + PATIENCE_NS;
    struct timespec end = {until / SECOND_NS, until % SECOND_NS};
    pthread_mutex_lock(&md5_lock);
    job->waits = 1;
    job->wanted = done;
    while ((int) (job->done - done) < 0) {
        if (md5_busy) {
            pthread_cond_wait(&job->woken, &md5_lock);
        } else if (patient && !md5_is_few() && !md5_enough()) {
            if (pthread_cond_timedwait(&job->woken, &md5_lock, &end))
                patient = 0;
        } else {
            md5_busy = 1;
            md5_last[md5_turn++ % 4] = md5_count;
            while ((int) (job->done - done) < 0)
                md5_step(job);
            md5_busy = 0;
            job->waits = 0; /* before the others are called */
            md5_call();
        }
    }
    job->waits = 0;
    pthread_mutex_unlock(&md5_lock);
}

static void md5_init_condition(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

/* A message without pieces, that stands at `state`. */
static void md5_begin(struct md5_job *job, uint32_t *state)
{
    memset(job, 0, sizeof *job);
    job->state = state;
    md5_init_condition(&job->woken);
}

/* A message is given up, or its end has come. Returns when nothing of it is used any more. */
static void md5_end(struct md5_job *job)
{
    md5_wait(job, job->came, 0);
    pthread_mutex_lock(&md5_lock);
    for (struct md5_job **place = &md5_open; *place; place = &(*place)->next_open)
        if (*place == job) {
            *place = job->next_open;
            break;
        }
    pthread_mutex_unlock(&md5_lock);
    pthread_cond_destroy(&job->woken);
}

static void md5_before_fork(void)
{
    pthread_mutex_lock(&md5_lock);
}

static void md5_in_parent(void)
{
    pthread_mutex_unlock(&md5_lock);
}

/* The threads of the parent are not there: neither the hasher, nor who waited. What they left is hashed with the rest. */
static void md5_in_child(void)
{
    pthread_mutex_init(&md5_lock, NULL);
    md5_init_condition(&md5_called);
    md5_has_hasher = md5_busy = 0;
    for (struct md5_job *job = md5_open; job; job = job->next_open) {
        job->waits = 0;
        md5_init_condition(&job->woken);
    }
}

static int md5_prepare(void)
{
    md5_choose(MD5_AVX512);
    md5_init_condition(&md5_called);
    md5_processors = sysconf(_SC_NPROCESSORS_ONLN);
    return pthread_atfork(md5_before_fork, md5_in_parent, md5_in_child);
}

#endif
