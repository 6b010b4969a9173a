#include "server/PoolServer.h"

#include <cppunit/extensions/HelperMacros.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <functional>
#include <future>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/DescriptorCloser.h"
#include "base/Poll.h"
#include "client/PoolClient.h"
#include "io/SocketPair.h"
#include "shm/GenerationTableView.h"
#include "shm/InFlightTable.h"
#include "support/CapturedLog.h"
#include "support/Eventually.h"
#include "support/FakeInstances.h"
#include "support/PoolFixture.h"
#include "support/SpawningFixture.h"
#include "support/TestThread.h"

namespace Passenger {

using namespace std::chrono_literals;

/** The agent's side of the pool protocol, with this process as the child. */
class PoolServerTest : public PoolFixture {
    CPPUNIT_TEST_SUITE(PoolServerTest);
    CPPUNIT_TEST(testAChildKeepsItsInFlightTableAndItsChannelsAfterItsConnectionEnds);
    CPPUNIT_TEST(testOptionsOfAKnownQueueAreTakenWithoutAnAnswer);
    CPPUNIT_TEST(testAShortageLeavesANewChildAChannelAndRefusesTheNext);
    CPPUNIT_TEST(testTheLastDescriptorsBeforeTheReserveAreForApplicationsWithFewChannels);
    CPPUNIT_TEST(testAChildIsRefusedAtOnceIfNoDescriptorIsLeft);
    CPPUNIT_TEST(testDescriptorsBesideTheBytesOfAChildDoNotHoldUpTheAgent);
    CPPUNIT_TEST(testAChildHasALimitedNumberOfConnections);
    CPPUNIT_TEST(testTheOldestOfManyConnectionsWithoutHelloGoes);
    CPPUNIT_TEST(testALinkOfAForgottenApplicationGetsNoChannel);
    CPPUNIT_TEST(testAQuestionForARestartIsAnsweredWithoutHoldingUpOthers);
    CPPUNIT_TEST(testAChildLearnsOfAShortageThatIsOlderThanItsFirstWait);
    CPPUNIT_TEST(testAQuestionIsAskedOnceAConnectionIsFreeWhoeverGaveUpWaiting);
    CPPUNIT_TEST(testAChildThatHasEndedGetsNoChannel);
    CPPUNIT_TEST(testAnAnswerThatNobodyReadsLeavesNoChannel);
    CPPUNIT_TEST_SUITE_END();

    static constexpr rlim_t LIMIT = 512;

    rlimit before_{};
    std::unique_ptr<ApplicationFolder> folder_;
    std::unique_ptr<FakeInstances> instances_;
    std::unique_ptr<InFlightTable> inFlightTable_;
    LimitCountsPtr counts_ = std::make_shared<LimitCounts>();
    std::unique_ptr<PoolServer> server_;
    FileDescriptor connectSocket_;

    FrameSocket connect() {
        sendWithDescriptors(connectSocket_, std::string_view("\0", 1), {});
        char byte = 0;
        Received received = receiveWithDescriptors(connectSocket_, std::span(&byte, 1));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, received.descriptors.size());
        return FrameSocket(std::move(received.descriptors.front()));
    }
    static Frame ask(FrameSocket &socket, const Frame &question, const std::vector<int> &descriptors = {}) {
        socket.send(question, descriptors, FrameSocket::in(60s));
        return socket.receive(FrameSocket::in(60s));
    }
    void introduce(FrameSocket &socket) const {
        Frame hello(FrameType::HELLO);
        hello.add(std::uint64_t{LAYOUT_VERSION});
        Frame welcome = ask(socket, hello, {inFlightTable_->memory().descriptor().get()});
        CPPUNIT_ASSERT(welcome.type == FrameType::WELCOME);
        CPPUNIT_ASSERT_EQUAL(ssize_t{-1}, ::pwrite(welcome.takeDescriptor(0).get(), "x", 1, 64));
    }
    Options options() const {
        Options options = app(folder_->path());
        options.spawnMethod = "smart";
        options.minInstances = 1;
        return options;
    }
    /** @return the application's slot */
    std::uint32_t attach(FrameSocket &socket) const {
        Frame question(FrameType::ATTACH);
        question.add(std::uint64_t{0});
        question.add(options().toMap());
        const Frame attached = ask(socket, question);
        CPPUNIT_ASSERT(attached.type == FrameType::ATTACHED);
        return static_cast<std::uint32_t>(attached.number(0));
    }
    static ChannelId registerChannel(FrameSocket &socket, std::uint32_t groupSlot, const FileDescriptor &end) {
        Frame question(FrameType::REGISTER);
        question.add(std::uint64_t{groupSlot});
        question.add(Generation().value());
        question.add(std::string(ChannelSecret::random().bytes()));
        const Frame registered = ask(socket, question, {end.get()});
        CPPUNIT_ASSERT(registered.type == FrameType::REGISTERED);
        return ChannelId(registered.number(0));
    }
    static bool sendRegister(FrameSocket &socket, std::uint32_t groupSlot, const FileDescriptor &end) {
        socket.send(Frame::of(FrameType::REGISTER, groupSlot, Generation(), ChannelSecret::random().bytes()),
                    {end.get()}, FrameSocket::in(60s));
        return true;
    }
    /** Whether the agent closes the connection. */
    static bool ended(FrameSocket &socket) {
        pollfd entry{socket.descriptor().get(), POLLIN, 0};
        char byte = 0;
        return ::poll(&entry, 1, 60'000) == 1 && ::recv(entry.fd, &byte, 1, 0) <= 0;
    }
    /** Ends the connection, and waits until the agent has seen it. */
    static void hangUp(FrameSocket &socket) {
        ::shutdown(socket.descriptor().get(), SHUT_WR);
        char byte = 0;
        CPPUNIT_ASSERT_EQUAL(ssize_t{0}, ::recv(socket.descriptor().get(), &byte, 1, 0));
    }

    static FileDescriptor noControl() { throw IOException("there is no control"); }
    void serve(const std::function<void()> &before = [] {}) {
        DescriptorPair pair = makeSeqPacketPair();
        connectSocket_ = std::move(pair.second);
        before();
        server_ = std::make_unique<PoolServer>(
            *loop_, *pool_, std::move(pair.first), [](Options &) { return std::nullopt; }, noControl, counts_);
    }
    /** Another server, in a process that may have LIMIT descriptors. */
    void serveWithFewDescriptors() {
        server_.reset();
        const rlimit limit{LIMIT, before_.rlim_max};
        CPPUNIT_ASSERT_EQUAL(0, ::setrlimit(RLIMIT_NOFILE, &limit));
        serve();
    }

public:
    void setUp() override {
        PoolFixture::setUp();
        CPPUNIT_ASSERT_EQUAL(0, ::getrlimit(RLIMIT_NOFILE, &before_));
        folder_ = std::make_unique<ApplicationFolder>("");
        instances_ = std::make_unique<FakeInstances>(*loop_, *factory_);
        inFlightTable_ = std::make_unique<InFlightTable>();
        serve();
    }

    void tearDown() override {
        server_.reset();
        connectSocket_.reset();
        endPool();
        instances_.reset();
        inFlightTable_.reset();
        folder_.reset();
        ::setrlimit(RLIMIT_NOFILE, &before_);
        PoolFixture::tearDown();
    }

    void testAChildKeepsItsInFlightTableAndItsChannelsAfterItsConnectionEnds() {
        pool_->attach(options());
        Frame serve = instances_->frame(0);
        CPPUNIT_ASSERT(eventuallyCount(1));
        FrameSocket socket = connect();
        introduce(socket);
        const std::uint32_t groupSlot = attach(socket);
        DescriptorPair pair = makeSeqPacketPair();
        const ChannelId channel = registerChannel(socket, groupSlot, pair.second);
        pair.second.reset();
        inFlightTable_->sending(inFlightTable_->allocate(), channel, Ticket(9), groupSlot, MonotonicTime());
        const ClaimCell cell{channel.value(), 9};
        const FileDescriptor claims = serve.takeDescriptor(1);
        CPPUNIT_ASSERT(::pwrite(claims.get(), &cell, sizeof(cell), ClaimsLayout::offset(0)) > 0);
        hangUp(socket);
        // The child lives, so its end of the channel stays, and the child gets the answer.
        Frame fetch(FrameType::FETCH);
        fetch.add(channel.value());
        instances_->send(0, fetch);
        CPPUNIT_ASSERT(instances_->frame(0).type == FrameType::CHANNEL);
        instances_->kill(0);
        MessageHeader told{};
        CPPUNIT_ASSERT_EQUAL(static_cast<ssize_t>(sizeof(told)), ::recv(pair.first.get(), &told, sizeof(told), 0));
        CPPUNIT_ASSERT(told.type == MessageType::LOST);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{9}, told.ticket);
    }

    void testOptionsOfAKnownQueueAreTakenWithoutAnAnswer() {
        serveWithFewDescriptors();
        pool_->attach(options());
        instances_->frame(0);
        CPPUNIT_ASSERT(eventuallyCount(1));
        FrameSocket socket = connect();
        introduce(socket);
        Options later = options();
        later.maxInstances = 3;
        socket.send(Frame::of(FrameType::OPTIONS, later.toMap()), {}, FrameSocket::in(60s));
        CPPUNIT_ASSERT(eventually([this] { return pool_->inspect().groups.at(0).maxInstances == 3; }));
        // The next answer is that to the next question.
        CPPUNIT_ASSERT(ask(socket, Frame::of(FrameType::QUERY, std::string("count"))).type == FrameType::VALUE);
    }

    void testAShortageLeavesANewChildAChannelAndRefusesTheNext() {
        serveWithFewDescriptors();
        pool_->attach(options());
        instances_->frame(0);
        CPPUNIT_ASSERT(eventuallyCount(1));
        FrameSocket socket = connect();
        introduce(socket);
        const std::uint32_t groupSlot = attach(socket);
        DescriptorPair pair = makeSeqPacketPair();
        Frame question(FrameType::REGISTER);
        question.add(std::uint64_t{groupSlot});
        question.add(Generation().value());
        question.add(std::string(ChannelSecret::random().bytes()));
        const GenerationTableView table(pool_->channels().generations().memory().readOnlyDescriptor());
        const CapturedLog log;
        // With this many taken, the next one is in the reserve.
        std::vector<FileDescriptor> taken;
        const auto takeAll = [&] {
            do {
                taken.push_back(pair.first.duplicate());
            } while (taken.back().get() < static_cast<int>(LIMIT - LIMIT / 4));
        };
        takeAll();
        CPPUNIT_ASSERT(ask(socket, question, {pair.second.get()}).type == FrameType::REGISTERED);
        CPPUNIT_ASSERT_EQUAL(0U, table.shortages());
        Frame refused;
        // A thread may still close descriptors of frames before, and so free numbers.
        CPPUNIT_ASSERT(eventually([&] {
            takeAll();
            refused = ask(socket, question, {pair.second.get()});
            return refused.type == FrameType::REFUSED;
        }));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{NO_DESCRIPTOR}, refused.number(0));
        CPPUNIT_ASSERT(refused.field(2).find("RLIMIT_NOFILE") != std::string::npos);
        CPPUNIT_ASSERT_EQUAL(1U, table.shortages());
        CPPUNIT_ASSERT(log.contains("event=descriptors.short limit=" + std::to_string(LIMIT)));
        CPPUNIT_ASSERT(log.contains("pid " + std::to_string(::getpid()) + ", is"));
        taken.clear();
        CPPUNIT_ASSERT(ask(socket, question, {pair.second.get()}).type == FrameType::REGISTERED);
    }

    void testTheLastDescriptorsBeforeTheReserveAreForApplicationsWithFewChannels() {
        serveWithFewDescriptors();
        pool_->attach(options());
        instances_->frame(0);
        CPPUNIT_ASSERT(eventuallyCount(1));
        FrameSocket socket = connect();
        introduce(socket);
        const std::uint32_t groupSlot = attach(socket);
        DescriptorPair pair = makeSeqPacketPair();
        const GenerationTableView table(pool_->channels().generations().memory().readOnlyDescriptor());
        const CapturedLog log;
        std::vector<FileDescriptor> taken;
        const auto takeAll = [&] {
            do {
                taken.push_back(pair.first.duplicate());
            } while (taken.back().get() < static_cast<int>(LIMIT - LIMIT / 2));
        };
        // A thread may still close descriptors of frames before, and so free numbers.
        CPPUNIT_ASSERT(eventually([&] {
            takeAll();
            registerChannel(socket, groupSlot, pair.second);
            return table.shortages() == 1;
        }));
        taken.clear();
        for (unsigned channels = 1; channels < LIMIT / 16; channels++) {
            registerChannel(socket, groupSlot, pair.second);
        }
        Frame question(FrameType::REGISTER);
        question.add(std::uint64_t{groupSlot});
        question.add(Generation().value());
        question.add(std::string(ChannelSecret::random().bytes()));
        CPPUNIT_ASSERT(eventually([&] {
            takeAll();
            return ask(socket, question, {pair.second.get()}).type == FrameType::REFUSED;
        }));
        CPPUNIT_ASSERT(log.contains("an application with many requests in flight gets 503 for further ones"));
        taken.clear();
        registerChannel(socket, groupSlot, pair.second);
    }

    void testAChildIsRefusedAtOnceIfNoDescriptorIsLeft() {
        serveWithFewDescriptors();
        std::vector<FileDescriptor> taken;
        for (int fd = ::dup(0); fd >= 0; fd = ::dup(0)) {
            taken.emplace_back(fd);
        }
        sendWithDescriptors(connectSocket_, std::string_view("\0", 1), {});
        CPPUNIT_ASSERT(pollUntil(connectSocket_.get(), POLLIN, FrameSocket::in(60s)));
        char byte = 0;
        const Received received = receiveWithDescriptors(connectSocket_, std::span(&byte, 1));
        CPPUNIT_ASSERT_EQUAL(CONNECTION_REFUSED, byte);
        CPPUNIT_ASSERT(received.descriptors.empty());
        taken.clear();
        connect();
    }

    /** The last close of a socket with SO_LINGER may wait. The DescriptorCloser takes the option
     *  away before it closes the socket. */
    void testDescriptorsBesideTheBytesOfAChildDoNotHoldUpTheAgent() {
        server_.reset();
        DescriptorCloser closer;
        DescriptorCloser::use(&closer);
        const FileDescriptor lingers(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        const linger on{1, 60};
        CPPUNIT_ASSERT_EQUAL(0, ::setsockopt(lingers.get(), SOL_SOCKET, SO_LINGER, &on, sizeof on));
        const int sent = lingers.get();
        // Before the server refuses it, as a kernel before Linux 6.16 cannot.
        serve([&] { sendWithDescriptors(connectSocket_, std::string_view("\0", 1), std::span(&sent, 1)); });
        const auto lingersStill = [&lingers] {
            linger now{};
            socklen_t size = sizeof now;
            CPPUNIT_ASSERT_EQUAL(0, ::getsockopt(lingers.get(), SOL_SOCKET, SO_LINGER, &now, &size));
            return now.l_onoff != 0;
        };
        const bool closed = eventually([&] { return !lingersStill(); });
        server_.reset();
        DescriptorCloser::use(nullptr);
        CPPUNIT_ASSERT(closed);
    }

    void testAChildHasALimitedNumberOfConnections() {
        std::vector<FrameSocket> sockets;
        for (unsigned i = 0; i < ChildLimits().connections; i++) {
            sockets.push_back(connect());
            introduce(sockets.back());
        }
        FrameSocket surplus = connect();
        Frame hello(FrameType::HELLO);
        hello.add(std::uint64_t{LAYOUT_VERSION});
        surplus.send(hello, {inFlightTable_->memory().descriptor().get()}, FrameSocket::in(60s));
        CPPUNIT_ASSERT(ended(surplus));
        CPPUNIT_ASSERT(log_->contains("event=child.limit_reached"));
        CPPUNIT_ASSERT(
            log_->contains("the child has 1024 connections already; PassengerMaxChildConnections allows no more"));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, counts_->childConnections.load());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, counts_->connectionsDropped.load());
        hangUp(sockets.back());
        sockets.pop_back();
        FrameSocket next = connect();
        introduce(next);
    }

    void testTheOldestOfManyConnectionsWithoutHelloGoes() {
        FrameSocket known = connect();
        introduce(known);
        std::vector<FrameSocket> sockets;
        for (std::size_t i = 0; i <= PoolServer::MOST_UNKNOWN; i++) {
            sockets.push_back(connect());
        }
        CPPUNIT_ASSERT(ended(sockets.front()));
        introduce(sockets[1]);
        introduce(sockets.back());
        Frame question(FrameType::QUERY);
        question.add(std::string("count"));
        CPPUNIT_ASSERT(ask(known, question).type == FrameType::VALUE);
    }

    void testALinkOfAForgottenApplicationGetsNoChannel() {
        // Its generation is beyond those of the application that was forgotten.
        Pool::Parts few = parts();
        few.maxApplications = 1;
        server_.reset();
        makePool(few, PoolSettings{});
        DescriptorPair ends = makeSeqPacketPair();
        connectSocket_ = std::move(ends.second);
        server_ = std::make_unique<PoolServer>(
            *loop_, *pool_, std::move(ends.first), [](Options &) { return std::nullopt; }, noControl);
        Options forgotten = options();
        forgotten.appGroupName = "forgotten";
        forgotten.minInstances = 0;
        const Attachment before = pool_->attach(forgotten);
        instances_->frame(0);
        CPPUNIT_ASSERT(eventuallyCount(1));
        pool_->clear();
        instances_->kill(0);
        CPPUNIT_ASSERT(eventuallyCount(0));
        CPPUNIT_ASSERT(eventually([&] {
            advance(1s, 1s);
            return !pool_->inspect().groups.empty() && pool_->inspect().groups[0].processes.empty();
        }));
        const Attachment present = pool_->attach(options());
        CPPUNIT_ASSERT_EQUAL(before.groupSlot, present.groupSlot);
        FrameSocket socket = connect();
        introduce(socket);
        const DescriptorPair pair = makeSeqPacketPair();
        const auto answerTo = [&](Generation generation) {
            Frame question(FrameType::REGISTER);
            question.add(std::uint64_t{present.groupSlot});
            question.add(generation.value());
            question.add(std::string(ChannelSecret::random().bytes()));
            return ask(socket, question, {pair.second.get()}).type;
        };
        CPPUNIT_ASSERT(answerTo(before.generation) == FrameType::REFUSED);
        CPPUNIT_ASSERT(answerTo(present.generation) == FrameType::REGISTERED);
    }

    void testAQuestionForARestartIsAnsweredWithoutHoldingUpOthers() {
        FrameSocket socket = connect();
        introduce(socket);
        const Frame question(FrameType::CHECK_RESTART, {options().groupName()});
        CPPUNIT_ASSERT(ask(socket, question).type == FrameType::VALUE);
        attach(socket);
        CPPUNIT_ASSERT(ask(socket, question).type == FrameType::VALUE);
        // Not before HELLO.
        FrameSocket unknown = connect();
        unknown.send(question, {}, FrameSocket::in(60s));
        CPPUNIT_ASSERT(ended(unknown));
    }

    void testAChildLearnsOfAShortageThatIsOlderThanItsFirstWait() {
        const auto child = std::make_shared<PoolClient>(connectSocket_.get());
        child->newPool();
        pool_->channels().askForIdleChannels();
        CPPUNIT_ASSERT(child->awaitShortage(60s));
    }

    /** Notices wait for a connection for 20 ms, and questions for 30 s. The connections become free
     *  when notices give up: those must not take the wake-ups of the questions with them. */
    void testAQuestionIsAskedOnceAConnectionIsFreeWhoeverGaveUpWaiting() {
        const auto client = std::make_shared<PoolClient>(connectSocket_.get());
        client->newPool();
        const Frame question(FrameType::QUERY, {"count"});
        for (unsigned round = 0; round < 60; round++) {
            std::list<TestThread> threads;
            loop_->post([round] { ::poll(nullptr, 0, static_cast<int>(18 + round % 6)); });
            for (unsigned i = 0; i < 12; i++) {
                threads.emplace_back([&, asks = i < 2 || i >= 10] {
                    if (asks) {
                        client->ask(question);
                    } else {
                        client->tell(Frame(FrameType::UNREGISTER));
                    }
                });
            }
            for (TestThread &thread : threads) {
                thread.join();
            }
        }
    }

    /** The loop finds the child's end and its last frame at once, and handles the end first. */
    void testAChildThatHasEndedGetsNoChannel() {
        FrameSocket own = connect();
        introduce(own);
        const std::uint32_t groupSlot = attach(own);
        const DescriptorPair pair = makeSeqPacketPair();
        const DescriptorPair ready = makePipe();
        const DescriptorPair order = makePipe();
        FrameSocket socket = connect();
        char byte = 0;
        const pid_t child = ::fork();
        if (child == 0) {
            introduce(socket);
            ::_exit(::write(ready.second.get(), "", 1) == 1 && ::read(order.first.get(), &byte, 1) == 1 &&
                            sendRegister(socket, groupSlot, pair.second)
                        ? 0
                        : 1);
        }
        CPPUNIT_ASSERT_EQUAL(ssize_t{1}, ::read(ready.first.get(), &byte, 1));
        std::promise<void> held;
        std::promise<void> freed;
        loop_->post([&] {
            held.set_value();
            freed.get_future().wait();
        });
        held.get_future().wait();
        int status = -1;
        const bool ordered = ::write(order.second.get(), "", 1) == 1 && ::waitpid(child, &status, 0) == child;
        freed.set_value();
        CPPUNIT_ASSERT(ordered && status == 0);
        CPPUNIT_ASSERT(ended(socket));
        CPPUNIT_ASSERT(!pool_->channels().hasChannels(groupSlot));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, counts_->connectionsDropped.load());
    }

    void testAnAnswerThatNobodyReadsLeavesNoChannel() {
        FrameSocket socket = connect();
        introduce(socket);
        const std::uint32_t groupSlot = attach(socket);
        const DescriptorPair pair = makeSeqPacketPair();
        ::shutdown(socket.descriptor().get(), SHUT_RD);
        CPPUNIT_ASSERT(sendRegister(socket, groupSlot, pair.second));
        pollfd entry{socket.descriptor().get(), 0, 0};
        CPPUNIT_ASSERT_EQUAL_MESSAGE("The agent closes the connection", 1, ::poll(&entry, 1, 60'000));
        CPPUNIT_ASSERT(!pool_->channels().hasChannels(groupSlot));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PoolServerTest);

}  // namespace Passenger
