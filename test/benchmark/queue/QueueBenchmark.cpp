/*
 * The cost of a request's way between two processes: from a child through the application's queue
 * to an instance and back. It uses the classes of httpd's children (MessageSession and all below
 * it). A bare exchange of messages of the same sizes over one socket pair is measured for
 * comparison.
 *
 * The instance is a process that makes the system calls of
 * lib/passenger/instance/request_handler.rb for an answer of one message. All processes share a
 * core. So the scheduler's placement is not measured, and the bare exchange is at its fastest. Both
 * ways take turns in many short rounds, of which the best counts: other work on the machine can
 * only slow a round. The program prints one line of JSON.
 */
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <functional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/Exceptions.h"
#include "exchange/MessageSession.h"
#include "exchange/QueueCache.h"
#include "io/RequestQueue.h"
#include "io/SocketPair.h"
#include "shm/Claims.h"
#include "shm/GenerationTable.h"
#include "shm/GenerationTableView.h"
#include "shm/InFlightTable.h"
#include "shm/SenderMemory.h"

namespace Passenger {

namespace {

constexpr unsigned ROUNDS = 1000;
constexpr unsigned TRIPS = 100;
/** About the size of a browser's request, and the size of the answer of apps/hello. */
constexpr std::size_t ENVIRONMENT = 800;
constexpr std::size_t ANSWER_HEAD = 48;
constexpr std::size_t ANSWER_BODY = 12;

constexpr std::uint32_t GROUP_SLOT = 1;
constexpr std::uint32_t CELL = 0;
constexpr std::uint64_t CHANNEL = 1;

/** Runs `work` in another process until the object is destroyed or this process dies. */
class OtherProcess {
public:
    explicit OtherProcess(const std::function<void()> &work) : pid_(::fork()) {
        if (pid_ < 0) {
            throw SystemException("cannot fork", errno);
        }
        if (pid_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            work();
            ::_exit(EXIT_FAILURE);
        }
    }
    OtherProcess(const OtherProcess &) = delete;
    OtherProcess &operator=(const OtherProcess &) = delete;
    ~OtherProcess() {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }

private:
    pid_t pid_;
};

void require(bool good, const char *what) {
    if (!good) {
        throw SystemException(what, errno);
    }
}

/** An application's queue like the agent's, with this process as its only child. */
class OneLine final : public QueueCache {
public:
    OneLine() : view_(table_.memory().descriptor()) {
        table_.setChildSlots(1);
        table_.publish(GROUP_SLOT, Generation(1), {1, 1, 0, 1});
    }
    ~OneLine() override { dropChannels(); }

    /** Serves like an instance, without end, after the first channel was made. */
    void serve() const;

    InFlightTable &inFlightTable() override { return inFlightTable_; }
    std::uint32_t childSlot() const override { return 0; }
    const GenerationTableView &generations() const override { return view_; }
    void wakeAgent() noexcept override {}
    void awaitsAnswer(unsigned /*inFlight*/, unsigned /*capacity*/) noexcept override {}
    bool tellSlow(const QueueLink &, ChannelId, Ticket, std::chrono::milliseconds) noexcept override { return true; }
    void tellOverrun(const QueueLink &, ChannelId, Ticket, std::chrono::milliseconds) noexcept override {}

protected:
    Links attach(const Options &, Generation) override {
        return Links::of(makeLink(GROUP_SLOT, Generation(1), queue_.sendingEnd().duplicate(),
                                  claims_.memory().readOnlyDescriptor(), senders_.memory().descriptor()),
                         FileDescriptor());
    }
    bool tellOptions(const Options &) noexcept override { return true; }
    std::optional<ChannelId> registerChannel(const FileDescriptor &instanceEnd, const QueueLink &,
                                             const ChannelSecret &) override {
        instanceEnd_ = instanceEnd.duplicate();
        return ChannelId(CHANNEL);
    }
    bool unregisterChannels(std::span<const ChannelId>) noexcept override { return true; }

private:
    void answer(const RequestHeader &request) const;

    RequestQueue queue_;
    Claims claims_;
    SenderMemory senders_;
    GenerationTable table_;
    GenerationTableView view_;
    InFlightTable inFlightTable_;
    FileDescriptor instanceEnd_;
};

void OneLine::serve() const {
    std::vector<char> message(MAX_MESSAGE);
    for (;;) {
        const ssize_t size = ::recv(queue_.receivingEnd().get(), message.data(), message.size(), 0);
        if (size < static_cast<ssize_t>(sizeof(RequestHeader))) {
            return;
        }
        RequestHeader request;
        std::memcpy(&request, message.data(), sizeof(request));
        answer(request);
    }
}

void OneLine::answer(const RequestHeader &request) const {
    const int claims = claims_.memory().descriptor().get();
    const ClaimCell claim{request.channel, request.ticket};
    require(::pwrite(claims, &claim, sizeof(claim), ClaimsLayout::offset(CELL)) > 0, "cannot claim");
    require(senders_.memory().readU64(SenderMemoryLayout::mark(request.channel)) < request.ticket,
            "the request was withdrawn");
    std::array<char, sizeof(MessageHeader) + ANSWER_HEAD + ANSWER_BODY> message{};
    MessageHeader header{};
    header.ticket = request.ticket;
    header.type = MessageType::RESPONSE;
    header.flags = LAST;
    header.status = 200;
    header.headLength = ANSWER_HEAD;
    std::memcpy(message.data(), &header, sizeof(header));
    require(::write(instanceEnd_.get(), message.data(), message.size()) > 0, "cannot answer");
    const ClaimCell none{};
    require(::pwrite(claims, &none, sizeof(none), ClaimsLayout::offset(CELL)) > 0, "cannot clear the claim");
}

/** The child's part of one request. */
void roundTrip(const QueueHostPtr &host, const Options &options, const std::string &environment, int client,
               std::vector<char> &buffer) {
    MessageSession session(host, options);
    MessageSession::Request request;
    request.environment = environment;
    request.retryable = true;
    const Reply reply =
        session.start(request) ? Reply{} : session.receive(buffer, client, std::chrono::milliseconds(10000));
    require(reply.kind == Reply::Kind::RESPONSE && reply.last, "no answer came");
}

void pingPong(int socket, std::vector<char> &buffer) {
    require(::write(socket, buffer.data(), sizeof(RequestHeader) + ENVIRONMENT) > 0 &&
                ::read(socket, buffer.data(), buffer.size()) > 0,
            "the ping-pong broke off");
}

void echo(int socket) {
    std::vector<char> buffer(MAX_MESSAGE);
    while (::read(socket, buffer.data(), buffer.size()) > 0 &&
           ::write(socket, buffer.data(), sizeof(MessageHeader) + ANSWER_HEAD + ANSWER_BODY) > 0) {
    }
}

/** Round trips a second. */
template <typename Trip> double measure(const Trip &trip) {
    const auto begin = std::chrono::steady_clock::now();
    for (unsigned i = 0; i < TRIPS; i++) {
        trip();
    }
    return TRIPS / std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

void stayOnOneCore() {
    cpu_set_t cores;
    CPU_ZERO(&cores);
    const int core = ::sched_getcpu();
    require(core >= 0, "cannot tell the core");
    CPU_SET(static_cast<unsigned>(core), &cores);
    require(::sched_setaffinity(0, sizeof(cores), &cores) == 0, "cannot stay on one core");
}

void measureAll() {
    stayOnOneCore();
    std::vector<char> buffer(MAX_MESSAGE);
    const std::string environment(ENVIRONMENT, 'x');
    const DescriptorPair pair = makeSeqPacketPair();
    const OtherProcess other([&] { echo(pair.second.get()); });

    const auto line = std::make_shared<OneLine>();
    const Options options;
    const DescriptorPair client = makeStreamPair();
    // The instance inherits the channel.
    line->giveBack(line->takeChannel(*line->link(options, Generation())), true);
    const OtherProcess instance([&] { line->serve(); });

    double bare = 0;
    double queue = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        bare = std::max(bare, measure([&] { pingPong(pair.first.get(), buffer); }));
        queue = std::max(queue, measure([&] { roundTrip(line, options, environment, client.first.get(), buffer); }));
    }
    fmt::print("{{\"bare_rate\":{:.0f},\"rate\":{:.0f},\"share\":{:.3f}}}\n", bare, queue, queue / bare);
}

}  // namespace

}  // namespace Passenger

int main() {
    try {
        Passenger::measureAll();
        return EXIT_SUCCESS;
    } catch (const std::exception &error) {
        fmt::print(stderr, "queue_benchmark: {}\n", error.what());
        return EXIT_FAILURE;
    }
}
