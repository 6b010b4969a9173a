#include "control/ControlClient.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <cerrno>
#include <utility>

#include "base/Exceptions.h"
#include "control/ControlVerbs.h"
#include "shm/SharedMemory.h"

namespace Passenger {

ControlClient ControlClient::connect(const std::string &path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) {
        throw SystemException(path, ENAMETOOLONG);
    }
    path.copy(address.sun_path, path.size());
    FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    // Also limits connect(), which waits while the backlog is full (socket(7)).
    const timeval limit{PATIENCE.count(), 0};
    if (!socket || ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0 ||
        ::connect(socket.get(), reinterpret_cast<const sockaddr *>(&address), sizeof address) != 0) {
        throw SystemException(path, errno);
    }
    return ControlClient(std::move(socket));
}

Frame ControlClient::order(std::vector<std::string> order, std::chrono::milliseconds patience) {
    const auto deadline = FrameSocket::in(patience);
    socket_.send(Frame(FrameType::ORDER, std::move(order)), deadline);
    Frame answer = socket_.receive(deadline);
    if (answer.type == FrameType::ORDER_REFUSED) {
        throw OrderRefusedException(answer.field(0));
    }
    if (answer.type != FrameType::ORDER_DONE) {
        throw ProtocolException("frame of type " + std::to_string(static_cast<int>(answer.type)));
    }
    return answer;
}

ServerStatus ControlClient::status(const std::string &app, Detail detail) {
    return statusFromJson(statusText(app, detail));
}

std::string ControlClient::statusText(const std::string &app, Detail detail) {
    std::vector<std::string> question{ControlVerb::STATUS, app};
    if (detail == Detail::REQUESTS) {
        question.emplace_back(ControlVerb::WITH_REQUESTS);
    } else if (detail == Detail::FIGURES) {
        question.emplace_back(ControlVerb::FIGURES);
    } else if (detail == Detail::HEALTH) {
        question.emplace_back(ControlVerb::HEALTH);
    }
    return text(std::move(question));
}

std::string ControlClient::text(std::vector<std::string> question) {
    Frame answer = order(std::move(question));
    const auto size = static_cast<std::size_t>(answer.number(0));
    const SharedMemory memory = SharedMemory::adopt(answer.takeDescriptor(0), size);
    std::string text(size, '\0');
    memory.read(text.data(), text.size(), 0);
    return text;
}

}  // namespace Passenger
