// The headers of other libraries that most unit tests include, read once for a whole build like
// ext/common/precompiled.h.

#include "headers.h"

#include <fstream>
#include <future>
#include <iostream>
#include <random>
#include <sstream>

#include <cppunit/TestAssert.h>
#include <cppunit/extensions/HelperMacros.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
