#include "agent/ControlService.h"

#include <cppunit/extensions/HelperMacros.h>

#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <exception>
#include <functional>
#include <list>
#include <string>
#include <utility>

#include "base/DescriptorCloser.h"
#include "base/Exceptions.h"
#include "base/Poll.h"
#include "io/FrameSocket.h"
#include "support/Eventually.h"
#include "support/LingeringConnection.h"

namespace Passenger {

using namespace std::chrono_literals;

/** What one asker may cost, and that it stops nobody. */
class ControlServiceTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(ControlServiceTest);
    CPPUNIT_TEST(testAnAskerIsAnswered);
    CPPUNIT_TEST(testAQuestionOfHttpdThatWaitsDoesNotEndForALaterOne);
    CPPUNIT_TEST(testAConnectionOfAUserEndsBeforeThoseOfRootAndHttpd);
    CPPUNIT_TEST(testTheOldestOfTooManyConnectionsOfAUserEndsAndNoOther);
    CPPUNIT_TEST(testAUserGetsTwentyAnswersASecondAtMost);
    CPPUNIT_TEST(testTheConnectionsOfAUserHaveTheirTurns);
    CPPUNIT_TEST(testAnAskerThatDoesNotReadLosesItsConnection);
    CPPUNIT_TEST(testAnAskerThatSendsDescriptorsLosesItsConnection);
    CPPUNIT_TEST(testNobodyIsAcceptedWhileDescriptorsOfAskersCannotBeClosed);
    CPPUNIT_TEST(testARefusalIsAnAnswer);
    CPPUNIT_TEST_SUITE_END();

    static constexpr std::chrono::seconds PATIENCE{30};
    static constexpr uid_t SOMEBODY = 12345;

    std::atomic<unsigned> answered_{0};
    /** It has a thread, so it lives during a test only. */
    std::optional<ControlService> service_;
    sockaddr_un address_{};
    socklen_t addressSize_ = 0;

    /** The order's fields come back, behind who has asked. */
    Frame answer(const Asker &asker, const Frame &order) {
        answered_++;
        if (order.field(0) == "refuse") {
            throw IOException("not today");
        }
        Frame frame(FrameType::ORDER_DONE, {asker.isHttpd ? "httpd" : std::to_string(asker.uid)});
        frame.fields.insert(frame.fields.end(), order.fields.begin(), order.fields.end());
        return frame;
    }

    /** A socket without a file: the kernel chooses an abstract name.
     *  @param before the service has it */
    void listen(const std::function<void()> &before = [] {}) {
        FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        address_.sun_family = AF_UNIX;
        CPPUNIT_ASSERT_EQUAL(0, ::bind(socket.get(), reinterpret_cast<sockaddr *>(&address_), sizeof(sa_family_t)));
        addressSize_ = sizeof address_;
        CPPUNIT_ASSERT_EQUAL(0, ::getsockname(socket.get(), reinterpret_cast<sockaddr *>(&address_), &addressSize_));
        CPPUNIT_ASSERT_EQUAL(0, ::listen(socket.get(), SOMAXCONN));
        before();
        service_->listen(std::move(socket));
    }
    FrameSocket connected() const {
        FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        CPPUNIT_ASSERT_EQUAL(0, ::connect(socket.get(), reinterpret_cast<const sockaddr *>(&address_), addressSize_));
        return FrameSocket(std::move(socket));
    }
    /** A connection of another user than root. Only this thread changes its user meanwhile. */
    FrameSocket connectedAsSomebody() const {
        if (::geteuid() != 0) {
            return connected();
        }
        CPPUNIT_ASSERT_EQUAL(0L, ::syscall(SYS_setresuid, -1, SOMEBODY, -1));
        FrameSocket socket = connected();
        CPPUNIT_ASSERT_EQUAL(0L, ::syscall(SYS_setresuid, -1, 0, -1));
        return socket;
    }
    static void send(FrameSocket &socket, const std::string &word) {
        socket.send(Frame(FrameType::ORDER, {word}), FrameSocket::in(PATIENCE));
    }
    /** @return who has asked, as the service sees it */
    static std::string ask(FrameSocket &socket, const std::string &word = "x") {
        send(socket, word);
        const Frame answer = socket.receive(FrameSocket::in(PATIENCE));
        CPPUNIT_ASSERT(answer.type == FrameType::ORDER_DONE);
        CPPUNIT_ASSERT_EQUAL(word, answer.field(1));
        return answer.field(0);
    }
    static void expectEnd(FrameSocket &socket) {
        try {
            send(socket, "x");
            socket.receive(FrameSocket::in(PATIENCE));
        } catch (const EndOfFileException &) {
            return;
        } catch (const SystemException &) {
            return;
        }
        CPPUNIT_FAIL("the connection has not ended");
    }
    /** A connection of an httpd child that was used. */
    FrameSocket ofHttpd() {
        FrameSocket socket(service_->connect());
        CPPUNIT_ASSERT_EQUAL(std::string("httpd"), ask(socket));
        return socket;
    }

public:
    void setUp() override {
        service_.emplace(ControlService::Parts{
            [this](const Asker &asker, const Frame &order) { return answer(asker, order); }, [] {}, 1h});
        listen();
    }
    void tearDown() override { service_.reset(); }

    void testAnAskerIsAnswered() {
        FrameSocket socket = connected();
        CPPUNIT_ASSERT_EQUAL(std::to_string(::geteuid()), ask(socket));
        FrameSocket other = connectedAsSomebody();
        CPPUNIT_ASSERT(ask(other) != "0");
        ofHttpd();
    }

    void testAQuestionOfHttpdThatWaitsDoesNotEndForALaterOne() {
        std::list<FrameSocket> all;
        for (std::size_t i = 0; i < ControlService::MOST_OF_HTTPD; i++) {
            all.push_back(ofHttpd());
        }
        CPPUNIT_ASSERT_THROW(service_->connect(), IOException);
        for (FrameSocket &one : all) {
            CPPUNIT_ASSERT_EQUAL(std::string("httpd"), ask(one));
        }
        all.clear();
        CPPUNIT_ASSERT(eventually([this] {
            try {
                ofHttpd();
                return true;
            } catch (const IOException &) {
                return false;
            }
        }));
    }

    void testAConnectionOfAUserEndsBeforeThoseOfRootAndHttpd() {
        if (::geteuid() != 0) {
            return;
        }
        FrameSocket user = connectedAsSomebody();
        ask(user);
        std::list<FrameSocket> others;
        for (std::size_t i = 0; i < ControlService::MOST_OF_HTTPD; i++) {
            others.push_back(ofHttpd());
        }
        while (others.size() < ControlService::MOST_CONNECTIONS) {
            others.push_back(connected());
            ask(others.back());
        }
        expectEnd(user);
        for (FrameSocket &one : others) {
            ask(one);
        }
    }

    void testTheOldestOfTooManyConnectionsOfAUserEndsAndNoOther() {
        FrameSocket httpd = ofHttpd();
        std::list<FrameSocket> all;
        for (std::size_t i = 0; i <= ControlService::MOST_OF_A_USER; i++) {
            all.push_back(connectedAsSomebody());
            ask(all.back());
        }
        expectEnd(all.front());
        all.pop_front();
        for (FrameSocket &one : all) {
            ask(one);
        }
        ask(httpd);
    }

    void testAUserGetsTwentyAnswersASecondAtMost() {
        constexpr unsigned ORDERS = 11;
        constexpr auto BETWEEN = 50ms;
        const auto begin = std::chrono::steady_clock::now();
        for (unsigned i = 0; i < ORDERS; i++) {
            // The connection does not matter.
            FrameSocket socket = connectedAsSomebody();
            ask(socket);
        }
        CPPUNIT_ASSERT(std::chrono::steady_clock::now() - begin >= (ORDERS - 1) * BETWEEN);
    }

    // Two that always ask do not keep the third one from its answer.
    void testTheConnectionsOfAUserHaveTheirTurns() {
        constexpr unsigned ROUNDS = 4;
        FrameSocket first = connectedAsSomebody();
        FrameSocket second = connectedAsSomebody();
        FrameSocket third = connectedAsSomebody();
        for (FrameSocket *const socket : {&first, &second, &third}) {
            send(*socket, "x");
        }
        for (unsigned i = 0; i < ROUNDS; i++) {
            for (FrameSocket *const socket : {&first, &second}) {
                socket->receive(FrameSocket::in(PATIENCE));
                send(*socket, "x");
            }
        }
        CPPUNIT_ASSERT(pollUntil(third.descriptor().get(), POLLIN, std::chrono::steady_clock::now()));
    }

    void testAnAskerThatDoesNotReadLosesItsConnection() {
        FrameSocket socket = connected();
        FrameSocket other = ofHttpd();
        send(socket, "first");
        send(socket, "second");
        // The service has met the second order before this reads the answer to the first.
        pollfd entry{socket.descriptor().get(), 0, 0};
        CPPUNIT_ASSERT_EQUAL(1, ::poll(&entry, 1, static_cast<int>(std::chrono::milliseconds(PATIENCE).count())));
        CPPUNIT_ASSERT_EQUAL(std::string("first"), socket.receive(FrameSocket::in(PATIENCE)).field(1));
        bool ended = false;
        try {
            socket.receive(FrameSocket::in(PATIENCE));
        } catch (const std::exception &) {
            // An end of file, or a reset: the service has not read all.
            ended = true;
        }
        CPPUNIT_ASSERT(ended);
        ask(other);
    }

    void testAnAskerThatSendsDescriptorsLosesItsConnection() {
        FrameSocket socket = connected();
        ask(socket);
        const unsigned before = answered_;
        try {
            socket.send(Frame(FrameType::ORDER, {"x"}), {STDIN_FILENO}, FrameSocket::in(PATIENCE));
            expectEnd(socket);
        } catch (const SystemException &) {
            // The kernel refuses them.
        }
        CPPUNIT_ASSERT_EQUAL(before, answered_.load());
    }

    /** More come than the threads that may wait for them. */
    void testNobodyIsAcceptedWhileDescriptorsOfAskersCannotBeClosed() {
        DescriptorCloser closer;
        DescriptorCloser::use(&closer);
        std::list<LingeringConnection> all;
        std::list<FrameSocket> askers;
        // Before the service accepts and refuses them.
        listen([&] {
            for (unsigned count = 0; count < 5; count++) {
                const FileDescriptor held = all.emplace_back(600).intoSocket();
                askers.push_back(connected());
                askers.back().send(Frame(FrameType::ORDER, {"x"}), {held.get()}, FrameSocket::in(PATIENCE));
            }
        });
        unsigned connections = 0;
        const auto isServed = [&] {
            connections++;
            FrameSocket socket = connected();
            send(socket, "x");
            return pollUntil(socket.descriptor().get(), POLLIN, FrameSocket::in(200ms));
        };
        const bool waits = eventually([&] { return !isServed(); });
        const unsigned most = connections;
        all.clear();
        const bool goesOn = eventually(isServed);
        DescriptorCloser::use(nullptr);
        // Its thread may still ask `closer`.
        service_.reset();
        CPPUNIT_ASSERT_MESSAGE(std::to_string(most), waits && most < DescriptorCloser::MANY + 50);
        CPPUNIT_ASSERT(goesOn);
    }

    void testARefusalIsAnAnswer() {
        FrameSocket socket = connected();
        send(socket, "refuse");
        const Frame answer = socket.receive(FrameSocket::in(PATIENCE));
        CPPUNIT_ASSERT(answer.type == FrameType::ORDER_REFUSED);
        CPPUNIT_ASSERT_EQUAL(std::string("not today"), answer.field(0));
        ask(socket);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ControlServiceTest);

}  // namespace Passenger
