#include "io/MessageRoom.h"

#include <sys/socket.h>

namespace Passenger {

/** The kernel's size is twice the one that is set, and has 32 bytes that no message can use. */
void makeRoomForMessages(const FileDescriptor &socket, std::size_t bytes) noexcept {
    const int wanted = static_cast<int>(bytes);
    int size = 0;
    socklen_t length = sizeof size;
    if (::getsockopt(socket.get(), SOL_SOCKET, SO_SNDBUF, &size, &length) == 0 && size < 2 * wanted) {
        ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDBUF, &wanted, sizeof wanted);
    }
}

}  // namespace Passenger
