#include <sys/time.h>
#include <nfsc/libnfs.h>
