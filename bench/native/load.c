/* The benchmark's client: a closed loop of keep-alive connections that read every answer to its end and check it.
 *
 *   load --port P --request FILE [--connections C] [--requests N] [--ramp MS] [--timeout S]
 *        [--status CODE] [--count TEXT --expect K] [--end TEXT]
 *
 * FILE is one whole HTTP request; eight percent signs in it become the request's number, in hexadecimal.
 * An answer is good when its status is CODE (200), its framing is whole, TEXT stands K times and the end TEXT at least
 * once in its body. --ramp spreads the first requests of the connections evenly over so many milliseconds.
 * Prints one line of JSON; times are milliseconds from the first byte sent. `first_ms` is to the first byte of a body. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define HEAD_LIMIT 16384
#define TEXT_LIMIT 64

static void die(const char *what) {
    perror(what);
    exit(1);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- a text looked for in a body that comes in arbitrary pieces (Knuth, Morris, Pratt) ---- */

typedef struct { const char *text; int length, fallback[TEXT_LIMIT + 1]; } needle;

static void prepare(needle *n, const char *text) {
    n->text = text, n->length = (int)strlen(text);
    if (n->length > TEXT_LIMIT) die("text too long");
    n->fallback[0] = -1;
    for (int i = 0, k = -1; i < n->length;) {
        while (k >= 0 && text[i] != text[k]) k = n->fallback[k];
        n->fallback[++i] = ++k;
    }
}

static int occurrences(const needle *n, int *matched, const char *at, size_t length) {
    int found = 0, k = *matched;
    for (const char *end = at + length; at < end; at++) {
        if (k == 0 && !(at = memchr(at, n->text[0], (size_t)(end - at)))) break;
        while (k >= 0 && *at != n->text[k]) k = n->fallback[k];
        if (++k == n->length) found++, k = 0;
    }
    return *matched = k, found;
}

/* ---- options, the request, what was counted ---- */

static int port, connections = 1, requests = 1, ramp, timeout = 60, status = 200, expected = -1;
static needle counted, ending;
static char *request;
static size_t request_length;
static long placeholder = -1;

static int started, finished, failed, reconnects;
static long long body_bytes, count_sum;
static double *latencies, *firsts;
static char first_failure[256];

/* ---- connections ---- */

enum framing { BY_LENGTH, BY_CLOSE, CHUNK_SIZE, CHUNK_EXTENSION, CHUNK_DATA, CHUNK_END, TRAILER };

typedef struct {
    int fd, status, count, count_matched, end_count, end_matched, trailer;
    bool busy, in_body, closes;
    size_t sent, head_length;
    unsigned long long left;
    enum framing framing;
    double since, first;
    char *request, head[HEAD_LIMIT + 1];
} conn;

static int poller, timer;

static void dial(conn *c) {
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&a, sizeof a)) die("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &e)) die("epoll_ctl");
}

static void begin(conn *c) {
    if (c->fd < 0) dial(c);
    if (placeholder >= 0) {
        char digits[9];
        snprintf(digits, sizeof digits, "%08x", (unsigned)started);
        memcpy(c->request + placeholder, digits, 8);
    }
    started++;
    c->busy = true, c->in_body = c->closes = false;
    c->sent = c->head_length = 0;
    c->count = c->count_matched = c->end_count = c->end_matched = 0;
    c->since = now(), c->first = -1;
    while (c->sent < request_length) { /* a blocking socket: requests are small */
        ssize_t n = send(c->fd, c->request + c->sent, request_length - c->sent, MSG_NOSIGNAL);
        if (n <= 0) break; /* the read that follows tells why */
        c->sent += (size_t)n;
    }
}

static void hang_up(conn *c) {
    close(c->fd);
    c->fd = -1;
}

static void next(conn *c) {
    c->busy = false;
    if (c->closes && c->fd >= 0) {
        hang_up(c);
        reconnects++;
    }
    if (started < requests) begin(c);
}

static void fail(conn *c, const char *why) {
    if (!failed++)
        snprintf(first_failure, sizeof first_failure, "%s; status %d, counted %d, head '%.60s'", why,
                 c->in_body ? c->status : 0, c->count, c->head_length ? c->head : "");
    for (char *p = first_failure; *p; p++)
        if (*p == '"' || *p == '\\' || (unsigned char)*p < ' ') *p = ' ';
    if (c->fd >= 0) hang_up(c);
    next(c);
}

static void finish(conn *c, double at) {
    if (c->status != status) return fail(c, "wrong status");
    if (expected >= 0 && c->count != expected) return fail(c, "wrong count");
    if (ending.length && !c->end_count) return fail(c, "no end in the body");
    latencies[finished] = (at - c->since) * 1e3;
    firsts[finished++] = (c->first - c->since) * 1e3;
    count_sum += c->count;
    next(c);
}

/* ---- reading an answer ---- */

static bool read_head(conn *c) {
    const char *value;
    c->in_body = true;
    c->status = c->head_length > 12 ? atoi(c->head + 9) : 0;
    c->closes = strcasestr(c->head, "\r\nconnection: close") != NULL;
    if (strcasestr(c->head, "\r\ntransfer-encoding: chunked")) {
        c->framing = CHUNK_SIZE, c->left = 0;
    } else if ((value = strcasestr(c->head, "\r\ncontent-length:"))) {
        c->framing = BY_LENGTH, c->left = strtoull(value + 17, NULL, 10);
    } else {
        c->framing = BY_CLOSE, c->closes = true;
    }
    return c->framing != BY_LENGTH || c->left;
}

static void take_body(conn *c, const char *at, size_t n, double when) {
    if (c->first < 0) c->first = when;
    body_bytes += (long long)n;
    if (counted.length) c->count += occurrences(&counted, &c->count_matched, at, n);
    if (ending.length) c->end_count += occurrences(&ending, &c->end_matched, at, n);
}

/* One step of the chunk framing that takes no body byte. False: not HTTP. `whole` is set behind the last chunk. */
static bool frame_byte(conn *c, char b, bool *whole) {
    const char *digits = "0123456789abcdef", *digit;
    switch (c->framing) {
    case CHUNK_SIZE:
        if (b == '\r' || b == ';') return c->framing = CHUNK_EXTENSION, true;
        if (!b || !(digit = strchr(digits, b | 0x20))) return false;
        c->left = c->left * 16 + (unsigned long long)(digit - digits);
        return true;
    case CHUNK_EXTENSION:
        if (b == '\n') c->framing = c->left ? CHUNK_DATA : TRAILER, c->trailer = 0;
        return true;
    case CHUNK_END:
        if (b == '\n') c->framing = CHUNK_SIZE, c->left = 0;
        return b == '\r' || b == '\n';
    default: /* TRAILER: ends with an empty line */
        if (b == '\n') *whole = c->trailer == 0, c->trailer = 0;
        else if (b != '\r') c->trailer++;
        return true;
    }
}

/* Eats one read's worth of body. 1: the answer is whole, 0: more to come, -1: broken. */
static int eat(conn *c, const char *at, size_t n, double when) {
    bool whole = false;
    while (n) {
        if (whole) return -1; /* bytes behind the answer */
        if (c->framing == BY_CLOSE || c->framing == BY_LENGTH || c->framing == CHUNK_DATA) {
            size_t part = c->framing == BY_CLOSE || n < c->left ? n : (size_t)c->left;
            take_body(c, at, part, when);
            at += part, n -= part;
            if (c->framing == BY_CLOSE || (c->left -= part)) continue;
            if (c->framing == CHUNK_DATA) c->framing = CHUNK_END;
            else whole = true;
        } else {
            if (!frame_byte(c, *at, &whole)) return -1;
            at++, n--;
        }
    }
    return whole;
}

static void readable(conn *c) {
    static char buffer[1 << 18];
    ssize_t got = recv(c->fd, buffer, sizeof buffer, MSG_DONTWAIT);
    double when = now();
    if (got < 0 && errno == EAGAIN) return;
    if (!c->busy) return hang_up(c); /* an idle connection was closed */
    if (got <= 0) {
        if (got == 0 && c->in_body && c->framing == BY_CLOSE) return finish(c, when);
        return fail(c, "connection lost");
    }
    const char *at = buffer;
    size_t n = (size_t)got;
    if (!c->in_body) {
        size_t had = c->head_length, room = HEAD_LIMIT - had, part = n < room ? n : room;
        memcpy(c->head + had, at, part);
        c->head[c->head_length += part] = 0;
        char *end = memmem(c->head, c->head_length, "\r\n\r\n", 4);
        if (!end) {
            if (c->head_length == HEAD_LIMIT) fail(c, "head too long");
            return;
        }
        c->head_length = (size_t)(end + 4 - c->head);
        c->head[c->head_length] = 0;
        at += c->head_length - had, n -= c->head_length - had;
        if (!read_head(c)) return finish(c, when);
    }
    int whole = eat(c, at, n, when);
    if (whole > 0) finish(c, when);
    else if (whole < 0) fail(c, "broken framing");
}

/* ---- the run ---- */

static void read_request(const char *path) {
    FILE *f = fopen(path, "rb");
    if (!f) die(path);
    request = malloc(1 << 20);
    request_length = fread(request, 1, 1 << 20, f);
    fclose(f);
    char *mark = memmem(request, request_length, "%%%%%%%%", 8);
    if (mark) placeholder = mark - request;
}

static void options(int argc, char **argv) {
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *name = argv[i], *value = argv[i + 1];
        if (!strcmp(name, "--port")) port = atoi(value);
        else if (!strcmp(name, "--request")) read_request(value);
        else if (!strcmp(name, "--connections")) connections = atoi(value);
        else if (!strcmp(name, "--requests")) requests = atoi(value);
        else if (!strcmp(name, "--ramp")) ramp = atoi(value);
        else if (!strcmp(name, "--timeout")) timeout = atoi(value);
        else if (!strcmp(name, "--status")) status = atoi(value);
        else if (!strcmp(name, "--count")) prepare(&counted, value);
        else if (!strcmp(name, "--expect")) expected = atoi(value);
        else if (!strcmp(name, "--end")) prepare(&ending, value);
        else fprintf(stderr, "load: unknown option %s\n", name), exit(2);
    }
    if (!port || !request || argc % 2 == 0 || connections < 1 || requests < 1)
        fputs("load: --port, --request and values for all options are needed\n", stderr), exit(2);
    if (connections > requests) connections = requests;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_times(const char *name, double *times) {
    qsort(times, (size_t)finished, sizeof *times, by_value);
#define AT(q) (finished ? times[(int)((q) * (finished - 1) + 0.5)] : 0.0)
    printf("\"%s\":{\"p50\":%.4f,\"p90\":%.4f,\"p99\":%.4f,\"max\":%.4f},", name, AT(0.5), AT(0.9), AT(0.99), AT(1.0));
}

int main(int argc, char **argv) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_TIMERSLACK, 1000);
    options(argc, argv);
    latencies = calloc((size_t)requests, sizeof *latencies);
    firsts = calloc((size_t)requests, sizeof *firsts);
    conn *all = calloc((size_t)connections, sizeof *all);
    if ((poller = epoll_create1(0)) < 0 || (timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK)) < 0) die("epoll");
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(poller, EPOLL_CTL_ADD, timer, &e);
    long step = (long)(ramp * 1e6 / connections) + 1;
    timerfd_settime(timer, 0, &(struct itimerspec){{0, step}, {0, 1}}, NULL);
    double begun = now(), deadline = begun + timeout;
    int awake = 0;
    while (finished + failed < requests && now() < deadline) {
        struct epoll_event events[256];
        int n = epoll_wait(poller, events, 256, 200);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr) {
                readable(events[i].data.ptr);
                continue;
            }
            uint64_t ticks = 0;
            if (read(timer, &ticks, sizeof ticks) < 0) continue;
            if (!ramp) ticks = (uint64_t)connections;
            for (; ticks && awake < connections && started < requests; ticks--, awake++) {
                conn *c = &all[awake];
                c->fd = -1;
                c->request = malloc(request_length);
                memcpy(c->request, request, request_length);
                begin(c);
            }
            if (awake == connections) timerfd_settime(timer, 0, &(struct itimerspec){0}, NULL);
        }
    }
    double wall = now() - begun;
    printf("{\"completed\":%d,\"failed\":%d,\"reconnects\":%d,\"counted\":%lld,\"body_bytes\":%lld,\"wall_s\":%.6f,",
           finished, requests - finished, reconnects, count_sum, body_bytes, wall);
    print_times("latency_ms", latencies);
    print_times("first_ms", firsts);
    printf("\"failure\":\"%s\"}\n", failed ? first_failure : finished < requests ? "timed out" : "");
    return 0;
}
