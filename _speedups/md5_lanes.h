/* MD5 (RFC 1321) of one message, or of several at once: two in plain registers, more in the lanes of vectors.

   A step of MD5 waits for the step before it, so that most of a core idles while it hashes one message; the steps of
   other messages fit into that time. `md5_queue.h` has which are hashed together. AVX-512 has any function of three words
   as one instruction, so that a step waits for four instead of four or five in plain registers: there one message is
   hashed in a lane too, in nine tenths of the time (`benchmarks/bench_speedups.py`).

   Vectors are those of GCC and Clang, compiled for what every processor of a kind has and, on x86, also for AVX2 and
   AVX-512, of which the best is taken at run time. Without them, two messages are hashed at a time. */

#ifndef MD5_LANES_H
#define MD5_LANES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { BLOCK = 64, MOST_LANES = 8 };

/* The four functions, in forms whose last operand can be the word of the step before (`b`) for as long as possible:
   that of the second round adds what cannot overlap. */
#define MD5_F(b, c, d) ((d) ^ ((b) & ((c) ^ (d))))
#define MD5_G(b, c, d) (((c) & ~(d)) + ((b) & (d)))
#define MD5_H(b, c, d) ((b) ^ (c) ^ (d))
#define MD5_I(b, c, d) ((c) ^ ((b) | ~(d)))

/* What is left of a step when the word and the constant are added, of any type that has these operators. */
#define MD5_TURN(f, a, b, c, d, turn) \
    a += f(b, c, d); \
    a = (a << turn | a >> (32 - turn)) + b;

#define MD5_FOUR(step, f, i, j, k, l, constant, s, t, u, v) \
    step(f, a, b, c, d, i, constant, s) \
    step(f, d, a, b, c, j, constant + 1, t) \
    step(f, c, d, a, b, k, constant + 2, u) \
    step(f, b, c, d, a, l, constant + 3, v)

/* One block into the state a, b, c, d, by a `step` that is told the function, the word, the constant and the turn. */
#define MD5_BLOCK(step) \
    MD5_FOUR(step, MD5_F, 0, 1, 2, 3, 0, 7, 12, 17, 22) \
    MD5_FOUR(step, MD5_F, 4, 5, 6, 7, 4, 7, 12, 17, 22) \
    MD5_FOUR(step, MD5_F, 8, 9, 10, 11, 8, 7, 12, 17, 22) \
    MD5_FOUR(step, MD5_F, 12, 13, 14, 15, 12, 7, 12, 17, 22) \
    MD5_FOUR(step, MD5_G, 1, 6, 11, 0, 16, 5, 9, 14, 20) \
    MD5_FOUR(step, MD5_G, 5, 10, 15, 4, 20, 5, 9, 14, 20) \
    MD5_FOUR(step, MD5_G, 9, 14, 3, 8, 24, 5, 9, 14, 20) \
    MD5_FOUR(step, MD5_G, 13, 2, 7, 12, 28, 5, 9, 14, 20) \
    MD5_FOUR(step, MD5_H, 5, 8, 11, 14, 32, 4, 11, 16, 23) \
    MD5_FOUR(step, MD5_H, 1, 4, 7, 10, 36, 4, 11, 16, 23) \
    MD5_FOUR(step, MD5_H, 13, 0, 3, 6, 40, 4, 11, 16, 23) \
    MD5_FOUR(step, MD5_H, 9, 12, 15, 2, 44, 4, 11, 16, 23) \
    MD5_FOUR(step, MD5_I, 0, 7, 14, 5, 48, 6, 10, 15, 21) \
    MD5_FOUR(step, MD5_I, 12, 3, 10, 1, 52, 6, 10, 15, 21) \
    MD5_FOUR(step, MD5_I, 8, 15, 6, 13, 56, 6, 10, 15, 21) \
    MD5_FOUR(step, MD5_I, 4, 11, 2, 9, 60, 6, 10, 15, 21)

static const uint32_t MD5_SINES[64] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
};
static const uint32_t MD5_START[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};

/* Compilers make one load of it where they may. */
static inline uint32_t md5_word(const unsigned char *data, int i)
{
    data += 4 * i;
    return data[0] | (uint32_t) data[1] << 8 | (uint32_t) data[2] << 16 | (uint32_t) data[3] << 24;
}

/* What is told to be apart is added by itself: else compilers add in pairs, and one addition more waits for the step
   before. `place` is the kind of register that it is in. */
#ifdef __GNUC__
#define MD5_APART(place, value) __asm__("" : "+" place(value))
#else
#define MD5_APART(place, value)
#endif

#define MD5_ADD(a, data, i, constant) \
    a += md5_word(data, i) + MD5_SINES[constant]; \
    MD5_APART("r", a);

#define MD5_STEP_ONE(f, a, b, c, d, i, constant, turn) \
    MD5_ADD(a, data, i, constant) \
    MD5_TURN(f, a, b, c, d, turn)

/* As many blocks of each of some messages: the first of their states, and where they are. */
typedef void md5_some(uint32_t state[][4], const unsigned char *const messages[], size_t blocks);

static void md5_one(uint32_t state[][4], const unsigned char *const messages[], size_t blocks)
{
    uint32_t a = state[0][0], b = state[0][1], c = state[0][2], d = state[0][3];
    const unsigned char *data = messages[0];
    for (; blocks; blocks--, data += BLOCK) {
        uint32_t a0 = a, b0 = b, c0 = c, d0 = d;
        MD5_BLOCK(MD5_STEP_ONE)
        a += a0, b += b0, c += c0, d += d0;
    }
    state[0][0] = a, state[0][1] = b, state[0][2] = c, state[0][3] = d;
}

#define MD5_STEP_TWO(f, a, b, c, d, i, constant, turn) \
    MD5_ADD(a##0, data0, i, constant) \
    MD5_ADD(a##1, data1, i, constant) \
    MD5_TURN(f, a##0, b##0, c##0, d##0, turn) \
    MD5_TURN(f, a##1, b##1, c##1, d##1, turn)

/* As md5_one, for two: in an eighth more time. */
static void md5_two(uint32_t state[][4], const unsigned char *const messages[], size_t blocks)
{
    uint32_t a0 = state[0][0], b0 = state[0][1], c0 = state[0][2], d0 = state[0][3];
    uint32_t a1 = state[1][0], b1 = state[1][1], c1 = state[1][2], d1 = state[1][3];
    const unsigned char *data0 = messages[0], *data1 = messages[1];
    for (; blocks; blocks--, data0 += BLOCK, data1 += BLOCK) {
        uint32_t old[8] = {a0, b0, c0, d0, a1, b1, c1, d1};
        MD5_BLOCK(MD5_STEP_TWO)
        a0 += old[0], b0 += old[1], c0 += old[2], d0 += old[3];
        a1 += old[4], b1 += old[5], c1 += old[6], d1 += old[7];
    }
    state[0][0] = a0, state[0][1] = b0, state[0][2] = c0, state[0][3] = d0;
    state[1][0] = a1, state[1][1] = b1, state[1][2] = c1, state[1][3] = d1;
}

#if defined(__GNUC__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define MD5_VECTORS 1

typedef uint32_t vector4 __attribute__((vector_size(16)));
typedef uint32_t vector8 __attribute__((vector_size(32)));

#ifdef __clang__
#define SHUFFLE4(one, two, ...) __builtin_shufflevector(one, two, __VA_ARGS__)
#define SHUFFLE8(one, two, ...) __builtin_shufflevector(one, two, __VA_ARGS__)
#else
#define SHUFFLE4(one, two, ...) __builtin_shuffle(one, two, (vector4) {__VA_ARGS__})
#define SHUFFLE8(one, two, ...) __builtin_shuffle(one, two, (vector8) {__VA_ARGS__})
#endif
#define MD5_INLINE static inline __attribute__((always_inline))

/* A block of each message, so that w[i] has word i of each. */
MD5_INLINE void turned1(vector4 w[16], const unsigned char *const data[], size_t offset)
{
    for (int i = 0; i < 16; i++)
        w[i] = (vector4) {md5_word(data[0] + offset, i)};
}

MD5_INLINE void turned4(vector4 w[16], const unsigned char *const data[], size_t offset)
{
    for (int part = 0; part < 4; part++) {
        vector4 row[4], half[4];
        for (int lane = 0; lane < 4; lane++)
            memcpy(&row[lane], data[lane] + offset + 16 * part, 16);
        half[0] = SHUFFLE4(row[0], row[1], 0, 4, 1, 5);
        half[1] = SHUFFLE4(row[0], row[1], 2, 6, 3, 7);
        half[2] = SHUFFLE4(row[2], row[3], 0, 4, 1, 5);
        half[3] = SHUFFLE4(row[2], row[3], 2, 6, 3, 7);
        w[4 * part] = SHUFFLE4(half[0], half[2], 0, 1, 4, 5);
        w[4 * part + 1] = SHUFFLE4(half[0], half[2], 2, 3, 6, 7);
        w[4 * part + 2] = SHUFFLE4(half[1], half[3], 0, 1, 4, 5);
        w[4 * part + 3] = SHUFFLE4(half[1], half[3], 2, 3, 6, 7);
    }
}

MD5_INLINE void turned8(vector8 w[16], const unsigned char *const data[], size_t offset)
{
    for (int part = 0; part < 2; part++) {
        vector8 row[8], pair[8], four[8];
        for (int lane = 0; lane < 8; lane++)
            memcpy(&row[lane], data[lane] + offset + 32 * part, 32);
        for (int i = 0; i < 8; i += 2) {
            pair[i] = SHUFFLE8(row[i], row[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
            pair[i + 1] = SHUFFLE8(row[i], row[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
        }
        for (int i = 0; i < 8; i += 4)
            for (int j = 0; j < 2; j++) {
                four[i + 2 * j] = SHUFFLE8(pair[i + j], pair[i + j + 2], 0, 1, 8, 9, 4, 5, 12, 13);
                four[i + 2 * j + 1] = SHUFFLE8(pair[i + j], pair[i + j + 2], 2, 3, 10, 11, 6, 7, 14, 15);
            }
        for (int i = 0; i < 4; i++) {
            w[8 * part + i] = SHUFFLE8(four[i], four[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
            w[8 * part + i + 4] = SHUFFLE8(four[i], four[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
        }
    }
}

#if defined(__x86_64__)
#define MD5_LANES_APART(vector) MD5_APART("v", vector)
#elif defined(__aarch64__)
#define MD5_LANES_APART(vector) MD5_APART("w", vector)
#else
#define MD5_LANES_APART(vector)
#endif

#define MD5_STEP_MANY(f, a, b, c, d, i, constant, turn) \
    a += sines[constant]; \
    MD5_LANES_APART(a); \
    a += w[i]; \
    MD5_LANES_APART(a); \
    MD5_TURN(f, a, b, c, d, turn)

/* As md5_one, for so many messages as there are `lanes` taken. That nothing is known of `sines` keeps GCC from making the
   vectors of them anew for each block. */
#define MD5_MANY(name, target, vector, lanes, turned) \
    target static void name(uint32_t state[][4], const unsigned char *const data[], size_t blocks) \
    { \
        const uint32_t *sines = MD5_SINES; \
        vector a = {0}, b = {0}, c = {0}, d = {0}, w[16]; \
        MD5_APART("r", sines); \
        for (int i = 0; i < lanes; i++) \
            a[i] = state[i][0], b[i] = state[i][1], c[i] = state[i][2], d[i] = state[i][3]; \
        for (size_t offset = 0; offset < blocks * BLOCK; offset += BLOCK) { \
            vector a0 = a, b0 = b, c0 = c, d0 = d; \
            turned(w, data, offset); \
            MD5_BLOCK(MD5_STEP_MANY) \
            a += a0, b += b0, c += c0, d += d0; \
        } \
        for (int i = 0; i < lanes; i++) \
            state[i][0] = a[i], state[i][1] = b[i], state[i][2] = c[i], state[i][3] = d[i]; \
    }

MD5_MANY(md5_four, , vector4, 4, turned4)
#if defined(__x86_64__)
MD5_MANY(md5_one_avx512, __attribute__((target("avx512vl"))), vector4, 1, turned1)
MD5_MANY(md5_four_avx512, __attribute__((target("avx512vl"))), vector4, 4, turned4)
MD5_MANY(md5_eight_avx2, __attribute__((target("avx2"))), vector8, 8, turned8)
MD5_MANY(md5_eight_avx512, __attribute__((target("avx512vl"))), vector8, 8, turned8)
#endif
#endif

/* What hashes so many messages at a time, up to the most that are worth it. */
static md5_some *md5_of[MOST_LANES + 1];
static int md5_most;

static void md5_take(md5_some *some, int fewest, int most)
{
    for (int count = fewest; count <= most; count++)
        md5_of[count] = some;
    md5_most = most > md5_most ? most : md5_most;
}

/* Sets of instructions, each with what those before have. */
enum { MD5_NONE, MD5_BASELINE, MD5_AVX2, MD5_AVX512 };

/* Take the best that the processor has, up to `most`; gives which. */
static int md5_choose(int most)
{
    int chosen = MD5_NONE;
    md5_most = 0;
    md5_take(md5_one, 1, 1);
    md5_take(md5_two, 2, 2);
#ifdef MD5_VECTORS
    if (most >= MD5_BASELINE)
        md5_take(md5_four, 3, 4), chosen = MD5_BASELINE;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (most >= MD5_AVX2 && __builtin_cpu_supports("avx2"))
        md5_take(md5_eight_avx2, 5, 8), chosen = MD5_AVX2;
    if (most >= MD5_AVX512 && __builtin_cpu_supports("avx512vl")) {
        md5_take(md5_four_avx512, 3, 4);
        md5_take(md5_eight_avx512, 5, 8);
        chosen = MD5_AVX512;
        /* Others may take two cycles for what takes Intel's one, in vectors. */
        if (__builtin_cpu_is("intel")) {
            md5_take(md5_one_avx512, 1, 1);
            md5_take(md5_four_avx512, 2, 2);
        }
    }
#endif
#endif
    return chosen;
}

/* `blocks` blocks of one message. */
static void md5_blocks(uint32_t *state, const unsigned char *data, size_t blocks)
{
    md5_of[1]((uint32_t (*)[4]) state, &data, blocks);
}

#endif
