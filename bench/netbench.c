// SPDX-License-Identifier: Apache-2.0
/*
 * The traffic of the benchmark, small enough that the kernel's work dominates:
 *
 *   netbench serve ADDRESS PORT            answers one byte for one byte; prints "ready"
 *   netbench connect ADDRESS PORT COUNT    COUNT times connect, one byte each way, close
 *   netbench ping ADDRESS PORT COUNT       COUNT round trips on one connection
 *   netbench pour ADDRESS PORT BYTES       sends BYTES on one connection, waits for the end
 *
 * Clients print one line of JSON: nanoseconds altogether, and p50 and p99 of one operation.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void die(const char *what)
{
	fprintf(stderr, "netbench: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static int make_socket(const char *host, const char *port, struct sockaddr_storage *addr,
		       socklen_t *len)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
				  .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
	struct addrinfo *found;
	int error = getaddrinfo(host, port, &hints, &found), fd, one = 1;

	if (error) {
		fprintf(stderr, "netbench: %s port %s: %s\n", host, port, gai_strerror(error));
		exit(2);
	}
	memcpy(addr, found->ai_addr, found->ai_addrlen);
	*len = found->ai_addrlen;
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	freeaddrinfo(found);
	if (fd < 0)
		die("socket");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static int dial(const char *host, const char *port)
{
	struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	struct sockaddr_storage addr;
	socklen_t len;
	int fd = make_socket(host, port, &addr, &len);

	if (connect(fd, (struct sockaddr *)&addr, len))
		die("connect");
	/* closed by a reset: TIME_WAIT would use up the ports */
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	return fd;
}

static void exchange(int fd)
{
	char byte = 'x';

	if (send(fd, &byte, 1, MSG_NOSIGNAL) != 1 || recv(fd, &byte, 1, 0) != 1)
		die("exchange");
}

static void answer(int fd)
{
	static char buffer[1 << 18];
	ssize_t got = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		close(fd);
		return;
	}
	if (got == 1 && send(fd, buffer, 1, MSG_NOSIGNAL) != 1)
		close(fd);
}

static void serve(const char *host, const char *port)
{
	struct epoll_event event = { .events = EPOLLIN }, events[64];
	struct sockaddr_storage addr;
	socklen_t len;
	int listener = make_socket(host, port, &addr, &len), poll = epoll_create1(0), one = 1, n, i,
	    fd;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&addr, len) || listen(listener, 4096))
		die("listen");
	event.data.fd = listener;
	epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
	puts("ready");
	fflush(stdout);
	while ((n = epoll_wait(poll, events, 64, -1)) >= 0 || errno == EINTR) {
		for (i = 0; i < n; i++) {
			if (events[i].data.fd != listener) {
				answer(events[i].data.fd);
				continue;
			}
			fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
			if (fd < 0)
				continue;
			setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
			event.data.fd = fd;
			epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
		}
	}
	die("epoll_wait");
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void report(uint64_t total, uint64_t *samples, long count)
{
	qsort(samples, count, sizeof(*samples), compare);
	printf("{\"ns\":%llu,\"p50\":%llu,\"p99\":%llu}\n", (unsigned long long)total,
	       (unsigned long long)samples[count / 2],
	       (unsigned long long)samples[count * 99 / 100]);
}

static void repeat(const char *host, const char *port, long count, int reconnect)
{
	uint64_t *samples = calloc(count, sizeof(*samples)), start, before;
	int fd = reconnect ? -1 : dial(host, port);
	long i;

	if (!samples)
		die("calloc");
	start = now_ns();
	for (i = 0; i < count; i++) {
		before = now_ns();
		if (reconnect)
			fd = dial(host, port);
		exchange(fd);
		if (reconnect)
			close(fd);
		samples[i] = now_ns() - before;
	}
	report(now_ns() - start, samples, count);
}

static void pour(const char *host, const char *port, long bytes)
{
	static char buffer[1 << 18];
	int fd = dial(host, port);
	uint64_t start = now_ns(), total;
	long left = bytes;
	ssize_t sent;
	char byte;

	while (left > 0) {
		sent = send(fd, buffer, left < (long)sizeof(buffer) ? left : (long)sizeof(buffer),
			    MSG_NOSIGNAL);
		if (sent < 0)
			die("send");
		left -= sent;
	}
	shutdown(fd, SHUT_WR);
	while (recv(fd, &byte, 1, 0) > 0) /* the server closes when it has read all */
		;
	total = now_ns() - start;
	report(total, &total, 1);
}

int main(int argc, char **argv)
{
	long count = argc > 4 ? atol(argv[4]) : 0;

	signal(SIGPIPE, SIG_IGN);
	if (argc == 4 && strcmp(argv[1], "serve") == 0)
		serve(argv[2], argv[3]);
	else if (argc == 5 && count > 0 && strcmp(argv[1], "connect") == 0)
		repeat(argv[2], argv[3], count, 1);
	else if (argc == 5 && count > 0 && strcmp(argv[1], "ping") == 0)
		repeat(argv[2], argv[3], count, 0);
	else if (argc == 5 && count > 0 && strcmp(argv[1], "pour") == 0)
		pour(argv[2], argv[3], count);
	else {
		fprintf(stderr, "usage: netbench serve|connect|ping|pour ADDRESS PORT [COUNT]\n");
		return 2;
	}
	return 0;
}
