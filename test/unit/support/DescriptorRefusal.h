#pragma once

#include <cppunit/TestAssert.h>

#include <span>

#include "base/Exceptions.h"
#include "io/SocketPair.h"

namespace Passenger {

/** @return whether a descriptor that is sent on this socket is refused at once */
inline bool refusesDescriptor(const FileDescriptor &socket) {
    const int sent = socket.get();
    try {
        sendWithDescriptors(socket, "x", std::span(&sent, 1));
        return false;
    } catch (const SystemException &) {
        return true;
    }
}

/** The peer of the socket takes no descriptors, as far as this kernel can refuse them: Linux does
 *  since 6.16. */
inline void assertPeerTakesNoDescriptors(const FileDescriptor &socket) {
    const DescriptorPair probe = makeStreamPair();
    denyDescriptors(probe.first);
    CPPUNIT_ASSERT_EQUAL_MESSAGE("Since Linux 6.16", refusesDescriptor(probe.second), refusesDescriptor(socket));
}

}  // namespace Passenger
