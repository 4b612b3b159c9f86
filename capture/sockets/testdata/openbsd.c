#include <sys/param.h>
#include <sys/socket.h>
#include <sys/proc.h>
#include <sys/sysctl.h>
#include <sys/file.h>
#include <netinet/in.h>
#include <netinet/tcp_fsm.h>
#undef offsetof
#define offsetof __builtin_offsetof
_Static_assert((sizeof(struct kinfo_file) >= 600) == 1, "");
_Static_assert(offsetof(struct kinfo_file, f_type) == 16, "");
_Static_assert(offsetof(struct kinfo_file, f_uid) == 40, "");
_Static_assert(offsetof(struct kinfo_file, f_data) == 64, "");
_Static_assert(offsetof(struct kinfo_file, so_type) == 272, "");
_Static_assert(offsetof(struct kinfo_file, so_protocol) == 288, "");
_Static_assert(offsetof(struct kinfo_file, so_family) == 292, "");
_Static_assert(offsetof(struct kinfo_file, inp_lport) == 304, "");
_Static_assert(offsetof(struct kinfo_file, inp_laddru) == 308, "");
_Static_assert(offsetof(struct kinfo_file, inp_fport) == 324, "");
_Static_assert(offsetof(struct kinfo_file, inp_faddru) == 328, "");
_Static_assert(offsetof(struct kinfo_file, p_pid) == 376, "");
_Static_assert(offsetof(struct kinfo_file, t_state) == 596, "");
_Static_assert(DTYPE_SOCKET == 2, "");
_Static_assert(SOCK_STREAM == 1, "");
_Static_assert(SOCK_DGRAM == 2, "");
_Static_assert(AF_INET == 2, "");
_Static_assert(AF_INET6 == 24, "");
_Static_assert(KERN_FILE_BYPID == 2, "");
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
