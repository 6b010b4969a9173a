#include "bridge/Instance.h"

#include <cppunit/extensions/HelperMacros.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bridge/Application.h"
#include "bridge/ControlSocket.h"
#include "io/FinishLimit.h"
#include "io/FrameSocket.h"
#include "io/RequestQueue.h"
#include "io/Serve.h"
#include "io/SocketPair.h"
#include "shm/Claims.h"
#include "shm/SenderMemory.h"
#include "support/Eventually.h"
#include "support/LeakCheck.h"
#include "support/NoThreads.h"

namespace Passenger {

using namespace std::chrono_literals;

/** A bridge in a process of its own, between an application that takes connections and answers
 *  nothing but /answered, and the test, which plays the agent. */
class BridgeInstanceTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(BridgeInstanceTest);
    CPPUNIT_TEST(testTheBridgeStopsWaitingForARequestInWorkAfterATimeLimit);
    CPPUNIT_TEST(testABridgeThatCannotStartItsThreadsIsNotReady);
    CPPUNIT_TEST(testABridgeThatGetsNoFurtherChannelTellsItAndGoesOn);
    CPPUNIT_TEST(testEachPoolProcessLearnsThatTheLimitOfRequestsIsReached);
    CPPUNIT_TEST(testAPausedBridgeTellsItAndTakesNoRequestBeforeItIsResumed);
    CPPUNIT_TEST(testAFinishedBridgeTakesNoFurtherRequestAndIsNotResumed);
    CPPUNIT_TEST_SUITE_END();

    static constexpr std::uint64_t CHANNEL = 7;
    static constexpr std::uint64_t TICKET = 1;

    std::optional<RequestQueue> queue_;
    std::optional<Claims> claims_;
    std::optional<SenderMemory> senders_;
    FrameSocket control_;
    FileDescriptor output_;
    pid_t bridge_ = 0;

    /** Of later threads: no machine has memory for their stacks. */
    static void forbidThreads() {
        pthread_attr_t attributes;
        pthread_attr_init(&attributes);
        pthread_attr_setstacksize(&attributes, NoThreads::STACK);
        pthread_setattr_default_np(&attributes);
        pthread_attr_destroy(&attributes);
    }

    static void serve(FileDescriptor descriptor, std::chrono::milliseconds finishWithin, bool hasThreads) {
        Bridge::Instance::prepareProcess();
        Bridge::ControlSocket control(std::move(descriptor));
        const char *ruby = std::getenv("RUBY");
        const std::string listen =
            " -rsocket -e 'SERVER = TCPServer.new(\"127.0.0.1\", ENV[\"PORT\"].to_i)\n"
            "while (client = SERVER.accept)\n"
            "  Thread.new(client) do |one|\n"
            "    one.write(\"HTTP/1.1 204 No Content\\r\\n\\r\\n\") if one.gets&.include?(\"/answered\")\n"
            "    sleep\n"
            "  end\n"
            "end'";
        Bridge::Application application(
            {{"start_command", "exec " + std::string(ruby != nullptr ? ruby : "ruby") + listen}}, "");
        application.start();
        if (application.awaitAccepting(control.descriptor(), FrameSocket::in(60s))) {
            control.send(Frame(FrameType::LOADED));
            if (!hasThreads) {
                forbidThreads();
            }
            Bridge::Instance(control, application, control.receive(FrameSocket::in(60s)), finishWithin).run();
        }
    }

    void start(std::chrono::milliseconds finishWithin = FINISH_LIMIT, bool hasThreads = true) {
        auto sockets = makeStreamPair();
        int ends[2];
        CPPUNIT_ASSERT_EQUAL(0, ::pipe(ends));
        output_ = FileDescriptor(ends[0]);
        const FileDescriptor theirs(ends[1]);
        control_ = FrameSocket(std::move(sockets.first));
        bridge_ = ::fork();
        if (bridge_ == 0) {
            ::dup2(theirs.get(), STDERR_FILENO);
            try {
                serve(std::move(sockets.second), finishWithin, hasThreads);
            } catch (const std::exception &error) {
                ::dprintf(STDERR_FILENO, "%s\n", error.what());
            }
            ::_exit(EXIT_FAILURE);
        }
    }

    Frame receive(FrameType type) {
        Frame frame = control_.receive(FrameSocket::in(60s));
        CPPUNIT_ASSERT(type == frame.type);
        return frame;
    }

    void send(const Frame &frame, const std::vector<int> &descriptors = {}) {
        control_.send(frame, descriptors, FrameSocket::in(60s));
    }

    void sendServe(const Serve &serve = {.app = "the application"}) {
        send(serve.toFrame(), {queue_->receivingEnd().get(), claims_->memory().descriptor().get(),
                               senders_->memory().descriptor().get()});
    }

    /** @return the child's end */
    FileDescriptor sendChannel() {
        receive(FrameType::FETCH);
        DescriptorPair ends = makeSeqPacketPair();
        send(Frame(FrameType::CHANNEL, {std::to_string(CHANNEL)}), {ends.second.get()});
        return std::move(ends.first);
    }

    /** @return the limit before */
    rlim_t limitDescriptors(rlim_t most) const {
        rlimit limit{};
        CPPUNIT_ASSERT_EQUAL(0, ::prlimit(bridge_, RLIMIT_NOFILE, nullptr, &limit));
        const rlim_t before = std::exchange(limit.rlim_cur, most);
        CPPUNIT_ASSERT_EQUAL(0, ::prlimit(bridge_, RLIMIT_NOFILE, &limit, nullptr));
        return before;
    }

    void ask(const std::string &path = "/") const {
        std::string head;
        for (const char *each : {"REQUEST_METHOD", "GET", "REQUEST_URI", path.c_str(), "SERVER_PROTOCOL", "HTTP/1.1",
                                 "HTTP_HOST", "localhost"}) {
            head.append(each).push_back('\0');
        }
        RequestHeader header{};
        header.version = LAYOUT_VERSION;
        header.headLength = static_cast<std::uint32_t>(head.size());
        header.channel = CHANNEL;
        header.ticket = TICKET;
        CPPUNIT_ASSERT(RequestQueue::send(queue_->sendingEnd().get(), header, head, "") ==
                       RequestQueue::Outcome::QUEUED);
    }

    /** All that it says on its standard error, to its end. */
    std::string outputToTheEnd() const {
        std::string text;
        char piece[4096];
        for (ssize_t size = 0; (size = ::read(output_.get(), piece, sizeof(piece))) > 0;) {
            text.append(piece, static_cast<std::size_t>(size));
        }
        return text;
    }

    /** @return its status of wait(2) */
    int awaitEnd() {
        int status = 0;
        CPPUNIT_ASSERT_EQUAL(bridge_, ::waitpid(bridge_, &status, 0));
        bridge_ = 0;
        return status;
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        queue_.emplace();
        claims_.emplace();
        senders_.emplace();
    }

    void tearDown() override {
        if (bridge_ != 0) {
            ::kill(bridge_, SIGKILL);
            ::waitpid(bridge_, nullptr, 0);
        }
        control_ = FrameSocket();
        output_.reset();
        queue_.reset();
        claims_.reset();
        senders_.reset();
        LeakCheck::tearDown();
    }

    void testTheBridgeStopsWaitingForARequestInWorkAfterATimeLimit() {
        start(100ms);
        receive(FrameType::LOADED);
        sendServe();
        receive(FrameType::READY);
        ask();
        const FileDescriptor ours = sendChannel();
        CPPUNIT_ASSERT(eventually([&] { return claims_->holds(ChannelId(CHANNEL), Ticket(TICKET)); }));
        send(Frame(FrameType::FINISH));
        const std::string output = outputToTheEnd();
        CPPUNIT_ASSERT_EQUAL_MESSAGE(output, 0, awaitEnd());
        CPPUNIT_ASSERT_MESSAGE(output, output.find("event=instance.gave_up_waiting") != std::string::npos);
        CPPUNIT_ASSERT_MESSAGE(output, output.find("requests=1\n") != std::string::npos);
        // Its claim stays, by which the agent tells the child, unless it could still answer that
        // the application has ended.
        char answer[sizeof(MessageHeader)];
        const bool answered = ::recv(ours.get(), answer, sizeof(answer), MSG_DONTWAIT) > 0;
        CPPUNIT_ASSERT(answered != claims_->holds(ChannelId(CHANNEL), Ticket(TICKET)));
    }

    /** Otherwise a deployment would end the version that serves. */
    void testABridgeThatCannotStartItsThreadsIsNotReady() {
        start(FINISH_LIMIT, false);
        receive(FrameType::LOADED);
        sendServe({.app = "the application", .heartbeatInterval = 60s});
        const Frame failed = receive(FrameType::FAILED);
        CPPUNIT_ASSERT_EQUAL(std::string("starting threads"), failed.field(0));
        const std::string &message = failed.field(2);
        CPPUNIT_ASSERT_MESSAGE(message, message.find("Resource temporarily unavailable") != std::string::npos);
        const std::string output = outputToTheEnd();
        CPPUNIT_ASSERT_MESSAGE(output, output.find("event=instance.start_failed") != std::string::npos);
        CPPUNIT_ASSERT_EQUAL(EXIT_FAILURE, WEXITSTATUS(awaitEnd()));
    }

    void testABridgeThatGetsNoFurtherChannelTellsItAndGoesOn() {
        start();
        receive(FrameType::LOADED);
        sendServe();
        receive(FrameType::READY);
        // Each number below this one is taken, and poll() goes on.
        const rlim_t before = limitDescriptors(3);
        ask();
        sendChannel();
        CPPUNIT_ASSERT_EQUAL(CHANNEL, receive(FrameType::NO_CHANNEL).number(0));
        limitDescriptors(before);
        ask();
        const FileDescriptor ours = sendChannel();
        CPPUNIT_ASSERT(eventually([&] { return claims_->holds(ChannelId(CHANNEL), Ticket(TICKET)); }));
    }

    void testEachPoolProcessLearnsThatTheLimitOfRequestsIsReached() {
        start();
        receive(FrameType::LOADED);
        const Serve serve{.app = "the application", .maxRequests = 1};
        sendServe(serve);
        receive(FrameType::READY);
        ask("/answered");
        const FileDescriptor ours = sendChannel();
        receive(FrameType::LIMIT_REACHED);
        sendServe(serve);
        receive(FrameType::READY);
        receive(FrameType::LIMIT_REACHED);
    }

    void testAPausedBridgeTellsItAndTakesNoRequestBeforeItIsResumed() {
        start();
        receive(FrameType::LOADED);
        sendServe({.app = "the application", .paused = true});
        ask();
        receive(FrameType::READY);
        CPPUNIT_ASSERT_EQUAL(std::string("1"), receive(FrameType::PAUSE).field(0));
        CPPUNIT_ASSERT(RequestQueue::hasWaiting(queue_->sendingEnd().get()));
        send(Frame(FrameType::PAUSE, {"0"}));
        CPPUNIT_ASSERT_EQUAL(std::string("0"), receive(FrameType::PAUSE).field(0));
        sendChannel();
    }

    /** It still reads the control socket: the request fetches its channel. */
    void testAFinishedBridgeTakesNoFurtherRequestAndIsNotResumed() {
        start();
        receive(FrameType::LOADED);
        sendServe();
        receive(FrameType::READY);
        ask("/answered");
        receive(FrameType::FETCH);
        send(Frame(FrameType::FINISH));
        send(Frame(FrameType::PAUSE, {"0"}));
        send(Frame(FrameType::THREADS));
        receive(FrameType::THREADS);
        ask("/answered");
        const DescriptorPair ends = makeSeqPacketPair();
        send(Frame(FrameType::CHANNEL, {std::to_string(CHANNEL)}), {ends.second.get()});
        const std::string output = outputToTheEnd();
        CPPUNIT_ASSERT_EQUAL_MESSAGE(output, 0, awaitEnd());
        MessageHeader answer{};
        CPPUNIT_ASSERT(::recv(ends.first.get(), &answer, sizeof(answer), MSG_DONTWAIT) > 0);
        CPPUNIT_ASSERT_EQUAL(204U, unsigned{answer.status});
        CPPUNIT_ASSERT(RequestQueue::hasWaiting(queue_->sendingEnd().get()));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(BridgeInstanceTest);

}  // namespace Passenger
