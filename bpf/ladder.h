/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The rungs below the stable hooks: the same bodies at the ends of the kernel's own functions, which is
 * where they are told of sockets when the kernel has no tracepoint for it. Sends and receives have those
 * since 6.3. Only one rung is attached.
 */
#pragma once

SEC("fexit/inet_sendmsg")
int BPF_PROG(exit_send4, struct socket *sock)
{
	return use(sock->sk);
}

SEC("fexit/inet6_sendmsg")
int BPF_PROG(exit_send6, struct socket *sock)
{
	return use(sock->sk);
}

SEC("fexit/inet_recvmsg")
int BPF_PROG(exit_receive4, struct socket *sock)
{
	return use(sock->sk);
}

SEC("fexit/inet6_recvmsg")
int BPF_PROG(exit_receive6, struct socket *sock)
{
	return use(sock->sk);
}

/* sendfile and splice of kernels before 6.5, for both families */
SEC("fexit/inet_sendpage")
int BPF_PROG(exit_sendpage, struct socket *sock)
{
	return use(sock->sk);
}
