#include <sys/param.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/socketvar.h>
#include <netinet/in.h>
#include <netinet/in_pcb.h>
#include <netinet/tcp.h>
#include <netinet/tcp_fsm.h>
#include <netinet/tcp_var.h>
#undef offsetof
#define offsetof __builtin_offsetof
_Static_assert(sizeof(struct xinpgen) == 64, "");
_Static_assert(sizeof(struct xinpcb) == 400, "");
_Static_assert(offsetof(struct xinpcb, xi_socket.xso_so) == 16, "");
_Static_assert(offsetof(struct xinpcb, xi_socket.so_uid) == 128, "");
_Static_assert(offsetof(struct xinpcb, inp_inc.inc_ie.ie_fport) == 252, "");
_Static_assert(offsetof(struct xinpcb, inp_inc.inc_ie.ie_lport) == 254, "");
_Static_assert(offsetof(struct xinpcb, inp_inc.inc_ie.ie_dependfaddr) == 256, "");
_Static_assert(offsetof(struct xinpcb, inp_inc.inc_ie.ie_dependladdr) == 272, "");
_Static_assert(offsetof(struct xinpcb, inp_gencnt) == 296, "");
_Static_assert(offsetof(struct xinpcb, inp_vflag) == 392, "");
_Static_assert(sizeof(struct xtcpcb) == 744, "");
_Static_assert(offsetof(struct xtcpcb, xt_inp) == 8, "");
_Static_assert(offsetof(struct xtcpcb, t_state) == 568, "");
_Static_assert(sizeof(struct xfile) == 128, "");
_Static_assert(offsetof(struct xfile, xf_pid) == 8, "");
_Static_assert(offsetof(struct xfile, xf_type) == 32, "");
_Static_assert(offsetof(struct xfile, xf_data) == 56, "");
_Static_assert(DTYPE_SOCKET == 2, "");
_Static_assert(INP_IPV4 == 1, "");
_Static_assert(INP_IPV6 == 2, "");
_Static_assert(TCPS_CLOSED == 0, "");
_Static_assert(TCPS_LISTEN == 1, "");
_Static_assert(TCPS_SYN_SENT == 2, "");
_Static_assert(TCPS_SYN_RECEIVED == 3, "");
_Static_assert(TCPS_ESTABLISHED == 4, "");
_Static_assert(TCPS_CLOSE_WAIT == 5, "");
_Static_assert(TCPS_FIN_WAIT_1 == 6, "");
_Static_assert(TCPS_CLOSING == 7, "");
_Static_assert(TCPS_LAST_ACK == 8, "");
_Static_assert(TCPS_FIN_WAIT_2 == 9, "");
_Static_assert(TCPS_TIME_WAIT == 10, "");
