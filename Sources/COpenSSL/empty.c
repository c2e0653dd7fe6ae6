// SwiftPM wants one C file in a C target; this target is only headers and the link to libcrypto.
#include "COpenSSL.h"
