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
#define SOCK_DEAD 0 /* no process has it any more */
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

const struct end_event *in_btf __attribute__((unused));

/* Set before loading: packets do not show all connections, so that their ends have to wake the reader. */
const volatile _Bool filtered = 0;

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

/* begin gives an event with what sockets of all kinds have. */
static __always_inline struct end_event *begin(const struct sock_common *c, __u64 cookie, __u8 proto)
{
	struct end_event *e = bpf_ringbuf_reserve(&ring, sizeof(*e), 0);

	if (!e) {
		__sync_fetch_and_add(&lost, 1);
		return NULL;
	}
	__builtin_memset(e, 0, sizeof(*e));
	e->ts_ns = bpf_ktime_get_ns();
	e->cookie = cookie;
	e->proto = proto;
	e->family = c->skc_family;
	e->rport = bpf_ntohs(c->skc_dport);
	if (e->family == AF_INET) {
		*(__be32 *)e->local = c->skc_rcv_saddr;
		*(__be32 *)e->remote = c->skc_daddr;
	} else if (HAS_V6(c)) {
		for (int i = 0; i < 4; i++) {
			((__be32 *)e->local)[i] = c->skc_v6_rcv_saddr.in6_u.u6_addr32[i];
			((__be32 *)e->remote)[i] = c->skc_v6_daddr.in6_u.u6_addr32[i];
		}
	}
	return e;
}

/* submit hands it on. Whoever sleeps is woken only when no packet will do that. */
static __always_inline void submit(struct end_event *e, _Bool silent)
{
	__u64 how = BPF_RB_NO_WAKEUP;

	if ((silent || filtered) && wanted && __sync_lock_test_and_set(&wanted, 0))
		how = BPF_RB_FORCE_WAKEUP;
	bpf_ringbuf_submit(e, how);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(end_state, struct sock *sk, int from, int to)
{
	const struct sock_common *c = &sk->__sk_common;
	struct tcp_sock *tp;
	struct end_event *e;

	if (to != TCP_CLOSE || from == TCP_CLOSE || from == TCP_LISTEN || sk->sk_protocol != IPPROTO_TCP)
		return 0;
	e = begin(c, bpf_get_socket_cookie(sk), IPPROTO_TCP);
	if (!e)
		return 0;
	e->lport = bpf_ntohs(BPF_CORE_READ((struct inet_sock *)sk, inet_sport)); /* skc_num is given back by now */
	e->netns = netns(c);
	e->from = from;
	e->err = sk->sk_err;
	if (c->skc_flags & 1 << SOCK_DONE)
		e->flags |= FLAG_DONE;
	if (c->skc_flags & 1 << SOCK_DEAD)
		e->flags |= FLAG_DEAD;
	tp = bpf_skc_to_tcp_sock(sk);
	if (tp) {
		e->sent = tp->bytes_sent - tp->bytes_retrans;
		e->received = tp->bytes_received;
		e->rtt_us = tp->rtt_min.s[0].v;
		e->retransmits = tp->total_retrans;
	}
	submit(e, e->err == ETIMEDOUT || (from == TCP_SYN_SENT && !e->err));
	return 0;
}

/*
 * The context is the socket itself, of which the verifier shows less than is asked for here. It may be
 * read as any memory of the kernel's: once, because that is what costs.
 */
SEC("cgroup/sock_release")
int end_release(struct bpf_sock *ctx)
{
	__u64 copy[20]; /* struct sock_common is 17; what is behind is the socket's too */
	const struct sock_common *c = (void *)copy;
	struct end_event *e;

	switch (ctx->protocol) {
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		if (ctx->type == SOCK_DGRAM) /* the port is the echo identifier */
			break;
		return 1;
	default:
		return 1;
	}
	if (bpf_probe_read_kernel(copy, sizeof(copy), ctx) || !c->skc_num)
		return 1; /* never bound, nor used */
	if (c->skc_family != AF_INET && c->skc_family != AF_INET6)
		return 1;
	e = begin(c, bpf_get_socket_cookie(ctx), ctx->protocol);
	if (!e)
		return 1;
	e->lport = c->skc_num;
	if (bpf_core_field_exists(c->skc_net.net))
		e->netns = BPF_CORE_READ(c->skc_net.net, ns.inum);
	if (BPF_CORE_READ_BITFIELD(c, skc_reuse) || BPF_CORE_READ_BITFIELD(c, skc_reuseport))
		e->flags |= FLAG_SHARED;
	if (BPF_CORE_READ_BITFIELD(c, skc_ipv6only))
		e->flags |= FLAG_V6ONLY;
	submit(e, 1);
	return 1;
}
