/* The upstream of the benchmark: answers Chat Completions and Responses from bytes rendered once, so that it costs
 * little and says the same every time. One thread, epoll, HTTP/1.1 keep-alive.
 *
 *   mock [PORT]      listens on 127.0.0.1 (0 or nothing: a free port), prints the port, serves until it is killed
 *
 * POST .../chat/completions and .../responses need `Authorization: Bearer sk-bench` (a contender that passed the
 * client's own key on gets 401). The model's name says how a stream flows:
 *
 *   KIND-N[xM][@MS]   N deltas, M in one write (1), a pause of MS milliseconds before each write but the first (0)
 *
 * The deltas of the KIND `arguments` are pieces of one call's arguments. Those of `reasoning` are reasoning, and a short
 * text follows them. All others are text. Of the KIND `unread` the kernel takes little: 1,000 of them would otherwise
 * use up its memory for sockets.
 *
 * Without `"stream":true` the answer is one JSON body of about 700 bytes (Chat) or 1.4 kB (Responses). */
#define _GNU_SOURCE
#include "answers.h"

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

#define REQUEST_LIMIT (64 << 20)

static void die(const char *what) {
    perror(what);
    exit(1);
}

/* ---- connections ---- */

typedef struct {
    int fd, step, heap_at; /* heap_at: place among the sleepers, -1 when awake */
    size_t in_len, in_room, sent;
    char *in;
    const script *script;
    uint64_t due;
    bool blocked;
} conn;

static int poller, timer;
static conn **heap;
static int sleepers, heap_room;

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void heap_set(int i, conn *c) {
    heap[i] = c;
    c->heap_at = i;
}

static void heap_up(int i, conn *c) {
    for (; i && heap[(i - 1) / 2]->due > c->due; i = (i - 1) / 2) heap_set(i, heap[(i - 1) / 2]);
    heap_set(i, c);
}

static void heap_down(int i, conn *c) {
    for (int child; (child = 2 * i + 1) < sleepers; i = child) {
        if (child + 1 < sleepers && heap[child + 1]->due < heap[child]->due) child++;
        if (heap[child]->due >= c->due) break;
        heap_set(i, heap[child]);
    }
    heap_set(i, c);
}

static void sleep_until_due(conn *c) {
    if (sleepers == heap_room && !(heap = realloc(heap, (size_t)(heap_room = heap_room * 2 + 64) * sizeof *heap)))
        die("realloc");
    heap_up(sleepers++, c);
}

static void wake(conn *c) {
    int i = c->heap_at;
    c->heap_at = -1;
    conn *last = heap[--sleepers];
    if (last == c) return;
    heap_up(i, last);
    if (last->heap_at == i) heap_down(i, last);
}

static void drop(conn *c) {
    if (c->heap_at >= 0) wake(c);
    close(c->fd);
    free(c->in);
    free(c);
}

static void watch(conn *c, bool blocked) {
    if (c->blocked == blocked) return;
    c->blocked = blocked;
    struct epoll_event e = {.events = EPOLLIN | (blocked ? EPOLLOUT : 0), .data.ptr = c};
    if (epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &e)) die("epoll_ctl");
}

/* Writes what is due. False: the connection is gone. */
static bool play(conn *c) {
    const script *s = c->script;
    while (c->step < s->n) {
        if (s->pause && c->step && !c->sent && c->due > now_ns()) {
            watch(c, false);
            sleep_until_due(c);
            return true;
        }
        const piece *p = &s->pieces[c->step];
        ssize_t n = send(c->fd, p->at + c->sent, p->len - c->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            watch(c, true);
            return true;
        }
        if (n < 0) return drop(c), false;
        if ((c->sent += (size_t)n) < p->len) continue;
        c->due = (c->step ? c->due : now_ns()) + s->pause;
        c->sent = 0;
        c->step++;
    }
    c->script = NULL;
    watch(c, false);
    return true;
}

/* Answers each whole request in the buffer, one after another. False: the connection is gone. */
static bool serve(conn *c) {
    while (!c->script && c->in_len) {
        c->in[c->in_len] = 0;
        char *end = strstr(c->in, "\r\n\r\n");
        if (!end) return true;
        char saved = end[2];
        end[2] = 0; /* the head ends behind its last line */
        const char *length = strcasestr(c->in, "\r\ncontent-length:");
        size_t body = length ? strtoul(length + 17, NULL, 10) : 0;
        if (strcasestr(c->in, "\r\ntransfer-encoding:")) {
            fputs("mock: a request body without content-length is not supported\n", stderr);
            return drop(c), false;
        }
        size_t whole = (size_t)(end + 4 - c->in) + body;
        if (whole > REQUEST_LIMIT) return drop(c), false;
        if (c->in_len < whole) {
            end[2] = saved;
            return true;
        }
        char after = c->in[whole];
        c->in[whole] = 0;
        c->script = answer_to(c->in, end + 4);
        c->in[whole] = after;
        if (!strncmp(c->script->model, "unread-", 7))
            setsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &(int){65536}, sizeof(int));
        memmove(c->in, c->in + whole, c->in_len -= whole);
        c->step = 0, c->sent = 0;
        if (!play(c)) return false;
    }
    return true;
}

static void readable(conn *c) {
    if (c->in_room - c->in_len < 4096) {
        c->in_room += 16384;
        if (c->in_room > 2 * REQUEST_LIMIT) return drop(c);
        if (!(c->in = realloc(c->in, c->in_room + 1))) die("realloc");
    }
    ssize_t n = recv(c->fd, c->in + c->in_len, c->in_room - c->in_len, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) return drop(c);
    c->in_len += (size_t)n;
    serve(c);
}

static void accept_all(int listener) {
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        conn *c = calloc(1, sizeof *c);
        if (!c) die("calloc");
        c->fd = fd, c->heap_at = -1;
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
        if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e)) die("epoll_ctl");
    }
}

static void run_due(void) {
    while (sleepers && heap[0]->due <= now_ns()) {
        conn *c = heap[0];
        wake(c);
        if (play(c) && !c->script) serve(c);
    }
    struct itimerspec at = {0};
    if (sleepers) at.it_value = (struct timespec){(time_t)(heap[0]->due / 1000000000u), (long)(heap[0]->due % 1000000000u)};
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL);
}

static int listen_on(int port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof a;
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, size) || listen(fd, 4096)) die("listen");
    getsockname(fd, (struct sockaddr *)&a, &size);
    printf("%d\n", ntohs(a.sin_port));
    fflush(stdout);
    return fd;
}

int main(int argc, char **argv) {
    if (argc > 2 || (argc == 2 && argv[1][strspn(argv[1], "0123456789")])) {
        fputs("usage: mock [PORT]\n", stderr);
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_TIMERSLACK, 1000);
    if ((poller = epoll_create1(EPOLL_CLOEXEC)) < 0) die("epoll_create1");
    if ((timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)) < 0) die("timerfd_create");
    int listener = listen_on(argc > 1 ? atoi(argv[1]) : 0);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = &listener};
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &e);
    e.data.ptr = &timer;
    epoll_ctl(poller, EPOLL_CTL_ADD, timer, &e);
    for (struct epoll_event events[256];;) {
        int n = epoll_wait(poller, events, 256, -1);
        if (n < 0 && errno != EINTR) die("epoll_wait");
        for (int i = 0; i < n; i++) {
            conn *c = events[i].data.ptr;
            if (events[i].data.ptr == &listener) {
                accept_all(listener);
            } else if (events[i].data.ptr == &timer) {
                uint64_t ticks;
                if (read(timer, &ticks, sizeof ticks) < 0 && errno != EAGAIN) die("read");
            } else if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
                readable(c);
            } else if (play(c) && !c->script) {
                serve(c);
            }
        }
        run_due();
    }
}
