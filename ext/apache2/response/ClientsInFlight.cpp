#include "apache2/response/ClientsInFlight.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
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

void ClientsInFlight::dropReceived() {
    for (auto &[app, clients] : sent_) {
        std::erase_if(clients, [](const Client &client) { return isReceived(client.stream); });
    }
    std::erase_if(sent_, [](const auto &app) { return app.second.empty(); });
}

bool ClientsInFlight::hasRoom(const std::string &app, pid_t instance) const {
    const auto found = sent_.find(app);
    if (found == sent_.end()) {
        return true;
    }
    const auto own = std::count_if(found->second.begin(), found->second.end(),
                                   [&](const Client &client) { return client.instance == instance; });
    return static_cast<std::size_t>(own) < MOST && found->second.size() < MOST_OF_APP;
}

ClientsInFlight::Sent ClientsInFlight::send(const std::string &app, FileDescriptor &stream, int client) {
    constexpr char ANSWER = static_cast<char>(TransferAnswer::CLIENT);
    const int descriptors[] = {client};
    const LockGuard guard(mutex_);
    dropReceived();
    // 0: unknown, as all others that are.
    const pid_t instance = peerOf(stream).value_or(PeerCredentials()).pid;
    if (!hasRoom(app, instance)) {
        return Sent::NO_ROOM;
    }
    std::vector<Client> &clients = sent_[app];
    clients.reserve(clients.size() + 1);
    try {
        if (sendWithDescriptors(stream, {&ANSWER, 1}, descriptors, MSG_DONTWAIT) != 1) {
            return Sent::FAILED;
        }
    } catch (const SystemException &error) {
        return error.error() == ETOOMANYREFS ? Sent::NO_ROOM : Sent::FAILED;
    }
    clients.push_back({instance, std::move(stream)});
    return Sent::YES;
}

}  // namespace Passenger
