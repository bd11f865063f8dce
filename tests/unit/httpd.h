/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tests/unit/httpd.h: an HTTP server in threads of the test, which answers as the test tells it.
 *
 *	static bool answer(int fd, const struct httpd_request *r, void *ctx)
 *	{
 *		return httpd_send(fd, "HTTP/1.1 200 X\r\nContent-Length: 1\r\n\r\nx");
 *	}
 *	struct httpd s;
 *	httpd_start(&s, answer, ctx);              s.url is "http://127.0.0.1:PORT"
 *	httpd_stop(&s);
 *
 * A thread serves one connection. The server does not wait for itself: a send that nobody takes
 * fails when the client has closed the connection, or the server is stopped.
 */
#ifndef TESTS_HTTPD_H
#define TESTS_HTTPD_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define HTTPD_HEAD_MAX 8192
#define HTTPD_CONNECTIONS_MAX 1024

struct httpd_request {
	char method[8], path[256];
	char head[HTTPD_HEAD_MAX]; /* all lines */
	uint64_t body_bytes;       /* Content-Length; still to be read from the descriptor */
};

/* Answer R, and read its body. False: close the connection. */
typedef bool httpd_answer(int fd, const struct httpd_request *r, void *ctx);

struct httpd {
	char url[64];
	httpd_answer *answer;
	void *ctx;
	int listen_fd;
	pthread_t accepter;
	pthread_t threads[HTTPD_CONNECTIONS_MAX];
	int fds[HTTPD_CONNECTIONS_MAX];
	unsigned n;
	pthread_mutex_t lock; /* of fds */
	atomic_uint requests;
};

struct httpd_connection {
	struct httpd *s;
	unsigned i;
};

static inline bool httpd_send_n(int fd, const void *data, size_t n)
{
	for (const char *p = data; n;) {
		ssize_t done = send(fd, p, n, MSG_NOSIGNAL);

		if (done <= 0)
			return false;
		p += done;
		n -= (size_t)done;
	}
	return true;
}

static inline bool httpd_send(int fd, const char *text)
{
	return httpd_send_n(fd, text, strlen(text));
}

/* A whole answer. A request by HEAD gets no body. */
static inline bool httpd_reply(int fd, const struct httpd_request *r, int status, const void *data,
			       size_t n)
{
	char head[128];

	snprintf(head, sizeof head, "HTTP/1.1 %d X\r\nContent-Length: %zu\r\n\r\n", status, n);
	return httpd_send(fd, head) &&
	       (strcmp(r->method, "HEAD") == 0 || httpd_send_n(fd, data, n));
}

/* Send the same block until the client has gone. Always false. */
static inline bool httpd_send_for_ever(int fd, const void *data, size_t n)
{
	while (httpd_send_n(fd, data, n))
		;
	return false;
}

/* Read the body of R to its end; RET, where it is not NULL, has room for it. */
static inline bool httpd_body(int fd, const struct httpd_request *r, char *ret)
{
	char data[65536];

	for (uint64_t left = r->body_bytes; left;) {
		ssize_t n = recv(fd, data, left < sizeof data ? (size_t)left : sizeof data, 0);

		if (n <= 0)
			return false;
		if (ret)
			memcpy(ret + (r->body_bytes - left), data, (size_t)n);
		left -= (uint64_t)n;
	}
	return true;
}

/* Read the lines of a request, byte by byte, so that its body stays. */
static inline bool httpd_read_head(int fd, struct httpd_request *r)
{
	size_t len = 0;
	const char *line;

	memset(r, 0, sizeof *r);
	while (len < sizeof r->head - 1 && !strstr(r->head, "\r\n\r\n"))
		if (recv(fd, r->head + len++, 1, 0) != 1)
			return false;
	if (sscanf(r->head, "%7s %255s", r->method, r->path) != 2)
		return false;
	line = strcasestr(r->head, "\r\nContent-Length: ");
	r->body_bytes = line ? strtoull(line + strlen("\r\nContent-Length: "), NULL, 10) : 0;
	return true;
}

static inline void *httpd_serve(void *arg)
{
	struct httpd_connection *c = arg;
	struct httpd *s = c->s;
	int fd = s->fds[c->i];
	struct httpd_request r;

	while (httpd_read_head(fd, &r)) {
		atomic_fetch_add(&s->requests, 1);
		if (!s->answer(fd, &r, s->ctx))
			break;
	}
	pthread_mutex_lock(&s->lock);
	s->fds[c->i] = -1;
	close(fd);
	pthread_mutex_unlock(&s->lock);
	free(c);
	return NULL;
}

static inline void *httpd_accept(void *arg)
{
	struct httpd *s = arg;
	int fd;

	while (s->n < HTTPD_CONNECTIONS_MAX && (fd = accept(s->listen_fd, NULL, NULL)) >= 0) {
		struct httpd_connection *c = malloc(sizeof *c);

		if (!c)
			abort();
		*c = (struct httpd_connection){s, s->n};
		s->fds[s->n] = fd;
		if (pthread_create(&s->threads[s->n], NULL, httpd_serve, c) != 0)
			abort();
		s->n++;
	}
	return NULL;
}

static inline void httpd_start(struct httpd *s, httpd_answer *answer, void *ctx)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof a;

	memset(s, 0, sizeof *s);
	s->answer = answer;
	s->ctx = ctx;
	pthread_mutex_init(&s->lock, NULL);
	s->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s->listen_fd < 0 || bind(s->listen_fd, (struct sockaddr *)&a, sizeof a) < 0 ||
	    listen(s->listen_fd, 128) < 0 ||
	    getsockname(s->listen_fd, (struct sockaddr *)&a, &len) < 0 ||
	    pthread_create(&s->accepter, NULL, httpd_accept, s) != 0)
		abort();
	snprintf(s->url, sizeof s->url, "http://127.0.0.1:%u", (unsigned)ntohs(a.sin_port));
}

static inline void httpd_stop(struct httpd *s)
{
	shutdown(s->listen_fd, SHUT_RDWR);
	pthread_join(s->accepter, NULL);
	close(s->listen_fd);
	pthread_mutex_lock(&s->lock);
	for (unsigned i = 0; i < s->n; i++)
		if (s->fds[i] >= 0)
			shutdown(s->fds[i], SHUT_RDWR);
	pthread_mutex_unlock(&s->lock);
	for (unsigned i = 0; i < s->n; i++)
		pthread_join(s->threads[i], NULL);
	pthread_mutex_destroy(&s->lock);
}

#endif
