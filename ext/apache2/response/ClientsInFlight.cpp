#include "apache2/response/ClientsInFlight.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>

#include "base/Exceptions.h"
#include "io/SocketPair.h"
#include "shm/Layouts.h"

namespace Passenger {

namespace {

/** A hang-up would not tell: the other side can shut its end down and leave the socket in it. */
bool isReceived(const FileDescriptor &stream) noexcept {
    int bytes = 0;
    return ::ioctl(stream.get(), SIOCOUTQ, &bytes) == 0 && bytes == 0;
}

}  // namespace

bool ClientsInFlight::roomOf(const std::string &app) {
    const auto found = sent_.find(app);
    if (found == sent_.end()) {
        return true;
    }
    std::erase_if(found->second, isReceived);
    const bool room = found->second.size() < MOST;
    if (found->second.empty()) {
        sent_.erase(found);
    }
    return room;
}

ClientsInFlight::Sent ClientsInFlight::send(const std::string &app, FileDescriptor &stream, int client) {
    constexpr char ANSWER = static_cast<char>(TransferAnswer::CLIENT);
    const int descriptors[] = {client};
    const LockGuard guard(mutex_);
    if (!roomOf(app)) {
        return Sent::NO_ROOM;
    }
    std::vector<FileDescriptor> &streams = sent_[app];
    streams.reserve(streams.size() + 1);
    try {
        if (sendWithDescriptors(stream, {&ANSWER, 1}, descriptors, MSG_DONTWAIT) != 1) {
            return Sent::FAILED;
        }
    } catch (const SystemException &error) {
        return error.error() == ETOOMANYREFS ? Sent::NO_ROOM : Sent::FAILED;
    }
    streams.push_back(std::move(stream));
    return Sent::YES;
}

}  // namespace Passenger
