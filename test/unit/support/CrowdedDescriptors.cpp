#include "support/CrowdedDescriptors.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "io/SocketPair.h"

namespace Passenger {

namespace {

/** More descriptors than a test and the members of all other tests have open. */
constexpr rlim_t OPEN_FILES = 400;
/** One message has at most 253 descriptors. Two have more than OPEN_FILES. */
constexpr std::size_t IN_A_MESSAGE = 250;

__user_cap_header_struct thisThread() {
    return {_LINUX_CAPABILITY_VERSION_3, 0};
}

}  // namespace

CrowdedDescriptors::CrowdedDescriptors() : socket_(makeSeqPacketPair()) {
    std::array<int, IN_A_MESSAGE> descriptors{};
    descriptors.fill(socket_.first.get());
    char byte = 0;
    iovec part{&byte, 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(descriptors))] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    cmsghdr *rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(descriptors));
    std::memcpy(CMSG_DATA(rights), descriptors.data(), sizeof(descriptors));
    CPPUNIT_ASSERT_EQUAL(ssize_t{1}, sendmsg(socket_.first.get(), &message, MSG_NOSIGNAL));
    CPPUNIT_ASSERT_EQUAL(ssize_t{1}, sendmsg(socket_.first.get(), &message, MSG_NOSIGNAL));
    CPPUNIT_ASSERT_EQUAL(0, getrlimit(RLIMIT_NOFILE, &limit_));
    const rlimit low{std::min(OPEN_FILES, limit_.rlim_max), limit_.rlim_max};
    CPPUNIT_ASSERT_EQUAL(0, setrlimit(RLIMIT_NOFILE, &low));
    __user_cap_header_struct header = thisThread();
    CPPUNIT_ASSERT_EQUAL(0L, syscall(SYS_capget, &header, rights_.data()));
    std::array<__user_cap_data_struct, 2> fewer = rights_;
    fewer[0].effective &= ~(CAP_TO_MASK(CAP_SYS_RESOURCE) | CAP_TO_MASK(CAP_SYS_ADMIN));
    CPPUNIT_ASSERT_EQUAL(0L, syscall(SYS_capset, &header, fewer.data()));
}

CrowdedDescriptors::~CrowdedDescriptors() {
    __user_cap_header_struct header = thisThread();
    syscall(SYS_capset, &header, rights_.data());
    setrlimit(RLIMIT_NOFILE, &limit_);
}

}  // namespace Passenger
