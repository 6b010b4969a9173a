#include "support/FakeAgent.h"

#include <fcntl.h>

#include <chrono>
#include <filesystem>

#include "base/Exceptions.h"
#include "client/AgentConnector.h"

namespace Passenger {

namespace {

constexpr std::chrono::seconds TIMEOUT{60};

}  // namespace

FakeAgentClient::FakeAgentClient(int connectSocket) {
    const FileDescriptor socket(::fcntl(connectSocket, F_DUPFD_CLOEXEC, 3));
    const auto deadline = FrameSocket::in(TIMEOUT);
    for (;;) {
        socket_ = connectToAgent(socket, deadline);
        try {
            const Frame frame = exchange(Frame(FrameType::HELLO));
            welcome_ = {static_cast<pid_t>(frame.number(0)),
                        static_cast<pid_t>(frame.number(1)),
                        frame.field(2),
                        {frame.fields.begin() + 3, frame.fields.end()}};
            return;
        } catch (const EndOfFileException &) {
            // The socket was of a pool process that has ended.
        } catch (const SystemException &) {
        }
    }
}

void FakeAgentClient::put(const std::string &key, const std::string &note, const FileDescriptor &descriptor) {
    exchange(Frame(FrameType::STORE, {key, note}), {descriptor.get()});
}

void FakeAgentClient::remove(const std::string &key) {
    exchange(Frame(FrameType::REMOVE, {key}));
}

void FakeAgentClient::writeTo(const std::string &key, const std::string &text) {
    exchange(Frame(FrameType::QUERY, {key, text}));
}

void FakeAgentClient::log(const std::string &text) {
    exchange(Frame(FrameType::QUERY, {"log", text}));
}

void FakeAgentClient::sendNonsense() {
    try {
        exchange(Frame(FrameType::QUERY, {"nonsense"}));
    } catch (const EndOfFileException &) {
        // The pool process ends as soon as the watchdog has closed its socket.
    }
}

Frame FakeAgentClient::exchange(const Frame &request, const std::vector<int> &descriptors) {
    socket_.send(request, descriptors, FrameSocket::in(TIMEOUT));
    return socket_.receive(FrameSocket::in(TIMEOUT));
}

AgentSettings fakeAgentSettings() {
    AgentSettings settings;
    // Its pool process starts processes itself.
    settings.seccomp = SeccompMode::OFF;
    settings.agentCommand = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "fake_agent";
    settings.logFile = "/dev/null";
    return settings;
}

}  // namespace Passenger
