#include <sys/param.h>
#include <sys/socket.h>
#include <sys/sysctl.h>
#include <sys/file.h>
#include <netinet/in.h>
#include <netinet/tcp_fsm.h>
#undef offsetof
#define offsetof __builtin_offsetof
_Static_assert(sizeof(struct kinfo_pcb) == 640, "");
_Static_assert(offsetof(struct kinfo_pcb, ki_sockaddr) == 16, "");
_Static_assert(offsetof(struct kinfo_pcb, ki_tstate) == 48, "");
_Static_assert(offsetof(struct kinfo_pcb, ki_src) == 72, "");
_Static_assert(offsetof(struct kinfo_pcb, ki_dst) == 336, "");
_Static_assert(offsetof(struct kinfo_pcb, ki_pflags) == 36, "");
_Static_assert(sizeof(struct kinfo_file) == 120, "");
_Static_assert(offsetof(struct kinfo_file, ki_ftype) == 16, "");
_Static_assert(offsetof(struct kinfo_file, ki_fdata) == 64, "");
_Static_assert(offsetof(struct kinfo_file, ki_pid) == 104, "");
_Static_assert(DTYPE_SOCKET == 2, "");
_Static_assert(AF_INET == 2, "");
_Static_assert(AF_INET6 == 24, "");
_Static_assert(PCB_ALL == 0, "");
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
