//go:build ignore

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * When does a socket end, and how? TCP sockets tell it when their state becomes CLOSE, whoever made it
 * so: a packet, a timer, the process. Others end when the last descriptor goes. What is told here has a
 * ring of its own, so that neither a storm of connections nor a slow reader takes owners' room.
 */
#include "kernel.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define IPPROTO_ICMP 1
#define IPPROTO_UDP 17
#define IPPROTO_ICMPV6 58
#define IPPROTO_UDPLITE 136

#define ETIMEDOUT 110

/* include/net/sock.h, bits of skc_flags */
#define SOCK_DONE 1 /* the other end's FIN has come */

#define FLAG_SHARED 1 /* as in owners.bpf.c */
#define FLAG_V6ONLY 2
#define FLAG_DONE 4
#define FLAG_DEAD 8

struct end_event {
	__u64 ts_ns; /* CLOCK_MONOTONIC */
	__u64 cookie;
	__u64 sent, received; /* payload of TCP, each byte once */
	__u8 local[16], remote[16]; /* IPv4 in the first four */
	__u32 netns;
	__u32 rtt_us;	   /* smallest; all ones = none */
	__u32 retransmits; /* segments that were sent again */
	__u16 lport, rport;
	__u16 err; /* errno of the socket */
	__u8 family, proto, from, flags; /* from: TCP state before */
	__u8 pad[2];
};
_Static_assert(sizeof(struct end_event) == 88, "end_event: user space reads 88 bytes");

#ifndef OLDER
#define COOKIE(sk) bpf_get_socket_cookie(sk)
#define TCP_SOCK(sk) bpf_skc_to_tcp_sock(sk)
#else
#define COOKIE(sk) GET(sk, __sk_common.skc_cookie.counter)
#define TCP_SOCK(sk) ((struct tcp_sock *)(sk))
#endif

const struct end_event *in_btf __attribute__((unused));

volatile __u64 lost = 0; /* the ring was full */
/*
 * Set by a reader that is about to sleep, cleared by the event that wakes it: whatever follows before it
 * sleeps again costs no wake-up.
 */
volatile __u32 wanted = 0;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} ring SEC(".maps");

/* begin makes an event of what sockets of all kinds have. */
static __always_inline void begin(struct end_event *e, const struct sock_common *c, __u64 cookie, __u8 proto)
{
	__builtin_memset(e, 0, sizeof(*e));
	e->ts_ns = bpf_ktime_get_ns();
	e->cookie = cookie;
	e->proto = proto;
	e->family = GET(c, skc_family);
	e->rport = bpf_ntohs(GET(c, skc_dport));
	if (e->family == AF_INET) {
		*(__be32 *)e->local = GET(c, skc_rcv_saddr);
		*(__be32 *)e->remote = GET(c, skc_daddr);
	} else if (HAS_V6(c)) {
		for (int i = 0; i < 4; i++) {
			((__be32 *)e->local)[i] = GET(c, skc_v6_rcv_saddr.in6_u.u6_addr32[i]);
			((__be32 *)e->remote)[i] = GET(c, skc_v6_daddr.in6_u.u6_addr32[i]);
		}
	}
}

/*
 * submit hands it on. Whoever sleeps is woken only when no packet will do that. Of two processors at once
 * both may wake it.
 */
static __always_inline void submit(void *ctx, struct end_event *e, _Bool silent)
{
	__u64 how = BPF_RB_NO_WAKEUP;

	if (silent && wanted) {
		wanted = 0;
		how = BPF_RB_FORCE_WAKEUP;
	}
	if (put(ctx, &ring, e, sizeof(*e), how))
		__sync_fetch_and_add(&lost, 1);
}

/*
 * opened tells whether a TCP socket connected rather than was accepted: then its SYN counts among what was acknowledged.
 * To an accepted one the kernel gives, for multicast that TCP has none of, the interface that its SYN came by; to a connecting one none.
 */
static __always_inline _Bool opened(const struct sock *sk)
{
	struct inet_sock *inet = (struct inet_sock *)sk;

	if (GET(&sk->__sk_common, skc_family) == AF_INET)
		return !BPF_CORE_READ(inet, mc_index);
	return HAS_V6(&sk->__sk_common) && !BPF_CORE_READ(inet, pinet6, mcast_oif);
}

/*
 * sent gives how much payload was sent, each byte once. What the kernel counts as sent is more where a segment could not leave
 * (no route, no address, a full queue, a filter): it is counted at each attempt, and is not sent again for all that. The numbers of what
 * was acknowledged and of what is under way are right, but have SYN and FIN among them.
 */
static __always_inline __u64 sent(const struct tcp_sock *tp, const struct sock *sk, int from)
{
	__u64 counted = GET(tp, bytes_sent) - GET(tp, bytes_retrans);
	__u32 una = GET(tp, snd_una), next = GET(tp, snd_nxt);
	__u64 numbers = GET(tp, bytes_acked) + (__u32)(next - una);

	if (numbers && opened(sk))
		numbers--;
	if (numbers && next == GET(tp, write_seq) &&
	    (from == TCP_FIN_WAIT1 || from == TCP_FIN_WAIT2 || from == TCP_CLOSING || from == TCP_LAST_ACK))
		numbers--;
	return counted < numbers ? counted : numbers;
}

SEC(TRACEPOINT "inet_sock_set_state")
int BPF_PROG(end_state, struct sock *sk, int from, int to)
{
	const struct sock_common *c = &sk->__sk_common;
	struct tcp_sock *tp;
	struct end_event e;
	unsigned long flags;

	if (to != TCP_CLOSE || from == TCP_CLOSE || from == TCP_LISTEN || protocol(sk) != IPPROTO_TCP)
		return 0;
	begin(&e, c, COOKIE(sk), IPPROTO_TCP);
	e.lport = bpf_ntohs(BPF_CORE_READ((struct inet_sock *)sk, inet_sport)); /* skc_num is given back by now */
	e.netns = netns(c);
	e.from = from;
	e.err = GET(sk, sk_err);
	flags = GET(c, skc_flags);
	if (flags & 1 << SOCK_DONE)
		e.flags |= FLAG_DONE;
	if (flags & 1 << SOCK_DEAD)
		e.flags |= FLAG_DEAD;
	tp = TCP_SOCK(sk);
	if (tp) {
		e.sent = sent(tp, sk, from);
		e.received = GET(tp, bytes_received);
		e.rtt_us = GET(tp, rtt_min.s[0].v);
		e.retransmits = GET(tp, total_retrans);
	}
	submit(ctx, &e, e.err == ETIMEDOUT || (from == TCP_SYN_SENT && !e.err));
	return 0;
}

/* released tells of the end of other sockets than TCP's, which are all there is to c. */
static __always_inline void released(void *ctx, const struct sock_common *c, __u64 cookie, __u8 proto, __u16 type)
{
	struct end_event e;

	switch (proto) {
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		if (type == SOCK_DGRAM) /* the port is the echo identifier */
			break;
		return;
	default:
		return;
	}
	if (!GET(c, skc_num))
		return; /* never bound, nor used */
	if (GET(c, skc_family) != AF_INET && GET(c, skc_family) != AF_INET6)
		return;
	begin(&e, c, cookie, proto);
	e.lport = GET(c, skc_num);
	e.netns = netns(c);
	if (GET_BITS(c, skc_reuse) || GET_BITS(c, skc_reuseport))
		e.flags |= FLAG_SHARED;
	if (GET_BITS(c, skc_ipv6only))
		e.flags |= FLAG_V6ONLY;
	submit(ctx, &e, 1);
}

#ifndef OLDER

/*
 * The context is the socket itself, of which the verifier shows less than is asked for here. It may be
 * read as any memory of the kernel's: once, because that is what costs.
 */
SEC("cgroup/sock_release")
int end_release(struct bpf_sock *ctx)
{
	__u64 copy[20]; /* struct sock_common is 17; what is behind is the socket's too */

	if (ctx->protocol != IPPROTO_TCP && !bpf_probe_read_kernel(copy, sizeof(copy), ctx))
		released(ctx, (void *)copy, bpf_get_socket_cookie(ctx), ctx->protocol, ctx->type);
	return 1;
}

#else

/* of inet_release */
SEC("kprobe")
int probe_release(void *ctx)
{
	struct sock *sk = GET((struct socket *)argument(ctx, 0), sk);

	if (sk)
		released(ctx, &sk->__sk_common, COOKIE(sk), protocol(sk), type(sk));
	return 0;
}

#endif
