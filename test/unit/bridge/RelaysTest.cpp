#include "bridge/Relays.h"

#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cppunit/extensions/HelperMacros.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bridge/AnswerParser.h"
#include "io/SocketPair.h"
#include "shm/Layouts.h"
#include "support/Eventually.h"
#include "support/LeakCheck.h"
#include "support/ManualClock.h"

namespace Passenger {

using namespace std::chrono_literals;
using Bridge::AnswerParser;
using Bridge::Relays;

namespace {

constexpr std::string_view CHUNKED_EVENTS =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
constexpr std::string_view EVENTS_UNTIL_CLOSE = "HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";

/** Two ends of a TCP connection. */
DescriptorPair connection() {
    const FileDescriptor listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto *name = reinterpret_cast<sockaddr *>(&address);
    socklen_t size = sizeof(address);
    CPPUNIT_ASSERT_EQUAL(0, ::bind(listener.get(), name, size));
    CPPUNIT_ASSERT_EQUAL(0, ::listen(listener.get(), 1));
    CPPUNIT_ASSERT_EQUAL(0, ::getsockname(listener.get(), name, &size));
    FileDescriptor client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    CPPUNIT_ASSERT_EQUAL(0, ::connect(client.get(), name, size));
    return {std::move(client), FileDescriptor(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC))};
}

void say(const FileDescriptor &end, std::string_view text) {
    CPPUNIT_ASSERT_EQUAL(static_cast<ssize_t>(text.size()),
                         ::send(end.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT));
}

void answer(const FileDescriptor &child, TransferAnswer answer, const std::vector<int> &descriptors) {
    const char tag = static_cast<char>(answer);
    sendWithDescriptors(child, {&tag, 1}, descriptors);
}

}  // namespace

/** This test plays child, client and application. */
class RelaysTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(RelaysTest);
    CPPUNIT_TEST(testAnUpgradedConnectionPassesUnchangedInBothDirections);
    CPPUNIT_TEST(testTheChildMayPassTheBytesOn);
    CPPUNIT_TEST(testTheEndOfTheClientReachesTheApplicationWhichHasASecondLeft);
    CPPUNIT_TEST(testTheEndOfTheApplicationReachesTheClientAfterTheLastByte);
    CPPUNIT_TEST(testAnEventStreamGetsChunksOfItsOwn);
    CPPUNIT_TEST(testAStreamThatBreaksOffDoesNotLookWhole);
    CPPUNIT_TEST(testAStreamUntilTheEndIsWholeOnlyIfTheApplicationLives);
    CPPUNIT_TEST(testAStreamUntilTheEndOfADeadApplicationDoesNotLookWhole);
    CPPUNIT_TEST(testAStreamUntilTheEndThatIsResetDoesNotLookWhole);
    CPPUNIT_TEST(testUndeliveredAreThoseWhoseClientHasNotAll);
    CPPUNIT_TEST(testAClientThatListensAndLeavesEndsTheApplicationsConnection);
    CPPUNIT_TEST(testTheTailReachesASlowClientThatSendsMore);
    CPPUNIT_TEST(testAClientThatListensAndSendsMuchIsCut);
    CPPUNIT_TEST(testAClientThatTakesNothingIsCutAndHoldsFewBytes);
    CPPUNIT_TEST(testAClientThatHangsUpDoesNotWaitForAnApplicationForEver);
    CPPUNIT_TEST(testASlowApplicationGetsAllOfAClientThatHasHungUp);
    CPPUNIT_TEST(testOtherThingsThanAClientsSocketAreClosed);
    CPPUNIT_TEST(testAChildThatEndsOrSaysNothingEndsTheConnection);
    CPPUNIT_TEST(testThereAreOnlyAsManyAsThereMayBe);
    CPPUNIT_TEST_SUITE_END();

    ManualClock clock_;
    std::optional<Relays> relays_;
    FileDescriptor child_;
    FileDescriptor application_;
    FileDescriptor client_;

    /** @param head of an event stream; empty: an upgraded connection @param app both ends of the
     *  application's connection */
    void add(std::string_view first, std::string_view head = {}, DescriptorPair app = makeStreamPair()) {
        DescriptorPair pair = makeStreamPair();
        std::unique_ptr<AnswerParser> parser;
        if (!head.empty()) {
            parser = std::make_unique<AnswerParser>(AnswerParser::Expectation{});
            parser->feed(head);
        }
        relays_->add(std::move(pair.first), std::move(app.first), first, std::move(parser));
        child_ = std::move(pair.second);
        application_ = std::move(app.second);
    }

    void giveClient() {
        DescriptorPair pair = connection();
        answer(child_, TransferAnswer::CLIENT, {pair.second.get()});
        child_.reset();
        client_ = std::move(pair.first);
    }

    void turn() { relays_->turn(clock_.now()); }

    /** What comes within some turns; at the end of the connection with "EOF" behind it. */
    std::string heard(const FileDescriptor &end, std::size_t least) {
        std::string text;
        const bool enough = eventually([&] {
            turn();
            std::array<char, 4096> piece{};
            const ssize_t size = ::recv(end.get(), piece.data(), piece.size(), MSG_DONTWAIT);
            if (size > 0) {
                text.append(piece.data(), static_cast<std::size_t>(size));
            } else if (size == 0 || errno != EAGAIN) {
                text += "EOF";
                return true;
            }
            return text.size() >= least;
        });
        CPPUNIT_ASSERT_MESSAGE(text, enough);
        return text;
    }

    void expect(std::string_view text, const FileDescriptor &end) {
        CPPUNIT_ASSERT_EQUAL(std::string(text), heard(end, text.size()));
    }

    bool allEnd() {
        return eventually([&] {
            turn();
            return relays_->count() == 0;
        });
    }

    /** Whether there are as many after all of them had the time to end. */
    bool remain(std::size_t count) {
        for (int i = 0; i < 20; i++) {
            turn();
        }
        return relays_->count() == count;
    }

    /** Sends until the relay takes no more. @return how many bytes */
    std::size_t flood(const FileDescriptor &end) {
        const std::string piece(64 * 1024, 'x');
        std::size_t total = 0;
        for (int idle = 0; idle < 20;) {
            const ssize_t sent = ::send(end.get(), piece.data(), piece.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
            total += static_cast<std::size_t>(std::max<ssize_t>(sent, 0));
            idle = sent > 0 ? 0 : idle + 1;
            turn();
        }
        return total;
    }

    /** Says as much as the application's socket holds, and a little more. */
    void fillApplication() {
        const std::string piece(16 * 1024, 'x');
        for (int before = -1, size = 0; size > before;) {
            before = size;
            say(client_, piece);
            CPPUNIT_ASSERT(remain(1));
            CPPUNIT_ASSERT_EQUAL(0, ::ioctl(application_.get(), FIONREAD, &size));
        }
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        relays_.emplace(2, clock_);
    }

    void tearDown() override {
        relays_.reset();
        child_.reset();
        application_.reset();
        client_.reset();
        LeakCheck::tearDown();
    }

    void testAnUpgradedConnectionPassesUnchangedInBothDirections() {
        add("WELCOME");
        giveClient();
        expect("WELCOME", client_);
        say(client_, "hello");
        expect("hello", application_);
        say(application_, "HELLO");
        expect("HELLO", client_);
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, relays_->streams());
        clock_.advance(1h);
        CPPUNIT_ASSERT(remain(1));
    }

    void testTheChildMayPassTheBytesOn() {
        add("WELCOME");
        answer(child_, TransferAnswer::RELAY, {});
        expect("WELCOME", child_);
        say(child_, "hello");
        expect("hello", application_);
    }

    void testTheEndOfTheClientReachesTheApplicationWhichHasASecondLeft() {
        add("");
        giveClient();
        say(client_, "last words");
        ::shutdown(client_.get(), SHUT_WR);
        expect("last words", application_);
        expect("EOF", application_);
        clock_.advance(900ms);
        say(application_, "answer");
        expect("answer", client_);
        clock_.advance(900ms);
        CPPUNIT_ASSERT(remain(1));
        clock_.advance(200ms);
        CPPUNIT_ASSERT(allEnd());
    }

    void testTheEndOfTheApplicationReachesTheClientAfterTheLastByte() {
        add("");
        giveClient();
        say(application_, "last words");
        application_.reset();
        expect("last words", client_);
        expect("EOF", client_);
        say(client_, "unread");
        CPPUNIT_ASSERT(remain(1));
        client_.reset();
        CPPUNIT_ASSERT(allEnd());
    }

    void testAnEventStreamGetsChunksOfItsOwn() {
        add("one", CHUNKED_EVENTS);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, relays_->streams());
        giveClient();
        expect("3\r\none\r\n", client_);
        say(client_, "GET / HTTP/1.1\r\n\r\n");
        say(application_, "2\r\ntw\r\n1\r\no\r\n");
        expect("3\r\ntwo\r\n", client_);
        say(application_, "0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n");
        expect("0\r\n\r\n", client_);
        expect("EOF", client_);
        expect("EOF", application_);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, relays_->streams());
        clock_.advance(2s);
        CPPUNIT_ASSERT(allEnd());
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, relays_->streams());
    }

    void testAStreamThatBreaksOffDoesNotLookWhole() {
        for (const std::string_view end : {"3\r\nonX", "no chunk", "3\r\non"}) {
            add("", CHUNKED_EVENTS);
            giveClient();
            say(application_, end);
            application_.reset();
            const std::string text = heard(client_, 1000);
            CPPUNIT_ASSERT_MESSAGE(text, text.ends_with("EOF") && text.find("0\r\n\r\n") == std::string::npos);
            client_.reset();
            CPPUNIT_ASSERT(allEnd());
        }
    }

    void testAStreamUntilTheEndIsWholeOnlyIfTheApplicationLives() {
        add("one", EVENTS_UNTIL_CLOSE);
        giveClient();
        say(application_, "two");
        application_.reset();
        expect("3\r\none\r\n3\r\ntwo\r\n", client_);
        CPPUNIT_ASSERT(remain(1));
        char byte = 0;
        CPPUNIT_ASSERT_EQUAL(ssize_t{-1}, ::recv(client_.get(), &byte, 1, MSG_DONTWAIT));
        clock_.advance(100ms);
        expect("0\r\n\r\n", client_);
        expect("EOF", client_);
    }

    void testAStreamUntilTheEndOfADeadApplicationDoesNotLookWhole() {
        add("", EVENTS_UNTIL_CLOSE);
        giveClient();
        say(application_, "two");
        application_.reset();
        expect("3\r\ntwo\r\n", client_);
        CPPUNIT_ASSERT(remain(1));
        const MonotonicTime woken = clock_.now();
        clock_.advance(100ms);
        // A turn that takes so long has not seen what came meanwhile.
        relays_->turn(woken);
        relays_->noteDeathOfApplication();
        expect("EOF", client_);
    }

    void testAStreamUntilTheEndThatIsResetDoesNotLookWhole() {
        add("", EVENTS_UNTIL_CLOSE, connection());
        giveClient();
        say(application_, "two");
        expect("3\r\ntwo\r\n", client_);
        // As of a worker that dies with unread bytes.
        const linger reset{1, 0};
        CPPUNIT_ASSERT_EQUAL(0, ::setsockopt(application_.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)));
        application_.reset();
        expect("EOF", client_);
    }

    void testUndeliveredAreThoseWhoseClientHasNotAll() {
        add("");
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, relays_->undelivered());
        giveClient();
        const std::size_t size = flood(application_);
        application_.reset();
        CPPUNIT_ASSERT(remain(1));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, relays_->undelivered());
        CPPUNIT_ASSERT_EQUAL(size, heard(client_, size).size());
        expect("EOF", client_);
        CPPUNIT_ASSERT(remain(1));
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, relays_->undelivered());
        client_.reset();
        CPPUNIT_ASSERT(allEnd());
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, relays_->undelivered());
    }

    void testAClientThatListensAndLeavesEndsTheApplicationsConnection() {
        add("one", CHUNKED_EVENTS);
        giveClient();
        expect("3\r\none\r\n", client_);
        ::shutdown(client_.get(), SHUT_WR);
        expect("EOF", application_);
        CPPUNIT_ASSERT(allEnd());
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, relays_->streams());
    }

    void testTheTailReachesASlowClientThatSendsMore() {
        add("", CHUNKED_EVENTS);
        giveClient();
        constexpr std::size_t MORE_THAN_THE_CLIENT_S_KERNEL_TAKES = 1024 * 1024;
        say(application_, fmt::format("{:x}\r\n", MORE_THAN_THE_CLIENT_S_KERNEL_TAKES));
        for (std::size_t sent = 0; sent < MORE_THAN_THE_CLIENT_S_KERNEL_TAKES; sent += 4096) {
            say(application_, std::string(4096, 'x'));
            turn();
        }
        say(application_, "\r\n0\r\n\r\n");
        CPPUNIT_ASSERT(eventually([&] {
            turn();
            return ::send(application_.get(), "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0;
        }));
        for (int seconds = 0; seconds < 10; seconds++) {
            clock_.advance(1s);
            turn();
        }
        say(client_, "more");
        CPPUNIT_ASSERT(remain(1));
        const std::string text = heard(client_, 2 * MORE_THAN_THE_CLIENT_S_KERNEL_TAKES);
        CPPUNIT_ASSERT(text.ends_with("\r\n0\r\n\r\nEOF"));
        clock_.advance(1s);
        turn();
        clock_.advance(1s);
        CPPUNIT_ASSERT(allEnd());
    }

    void testAClientThatListensAndSendsMuchIsCut() {
        add("one", CHUNKED_EVENTS);
        giveClient();
        expect("3\r\none\r\n", client_);
        const std::string piece(32 * 1024, 'x');
        say(client_, piece);
        CPPUNIT_ASSERT(remain(1));
        say(client_, piece);
        CPPUNIT_ASSERT(remain(1));
        say(client_, "x");
        CPPUNIT_ASSERT(allEnd());
    }

    void testAClientThatTakesNothingIsCutAndHoldsFewBytes() {
        add("");
        giveClient();
        const std::size_t first = flood(application_);
        // The rest is in the buffers of the kernel.
        CPPUNIT_ASSERT(first < 32 * 1024 * 1024);
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, flood(application_));
        clock_.advance(50s);
        CPPUNIT_ASSERT(remain(1));
        // What the client says is no sign that it takes anything.
        say(client_, "hello");
        expect("hello", application_);
        clock_.advance(11s);
        CPPUNIT_ASSERT(allEnd());
    }

    void testAClientThatHangsUpDoesNotWaitForAnApplicationForEver() {
        add("");
        giveClient();
        fillApplication();
        clock_.advance(1h);
        CPPUNIT_ASSERT(remain(1));
        ::shutdown(client_.get(), SHUT_WR);
        CPPUNIT_ASSERT(remain(1));
        clock_.advance(61s);
        CPPUNIT_ASSERT(allEnd());
    }

    void testASlowApplicationGetsAllOfAClientThatHasHungUp() {
        DescriptorPair app = makeStreamPair();
        const int small = 4096;
        CPPUNIT_ASSERT_EQUAL(0, ::setsockopt(app.first.get(), SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)));
        add("", {}, std::move(app));
        giveClient();
        fillApplication();
        say(client_, std::string(48 * 1024, 'x'));
        ::shutdown(client_.get(), SHUT_WR);
        CPPUNIT_ASSERT(remain(1));
        for (int i = 0; i < 3; i++) {
            clock_.advance(40s);
            int size = 0;
            CPPUNIT_ASSERT_EQUAL(0, ::ioctl(application_.get(), FIONREAD, &size));
            std::string piece(static_cast<std::size_t>(size), '\0');
            CPPUNIT_ASSERT_EQUAL(static_cast<ssize_t>(piece.size()),
                                 ::recv(application_.get(), piece.data(), piece.size(), MSG_WAITALL));
            CPPUNIT_ASSERT(remain(1));
        }
    }

    void testOtherThingsThanAClientsSocketAreClosed() {
        const std::unique_ptr<FILE, int (*)(FILE *)> file(std::tmpfile(), std::fclose);
        DescriptorPair pair = makeStreamPair();
        DescriptorPair tcp = connection();
        const std::vector<std::vector<int>> wrong{
            {}, {::fileno(file.get())}, {pair.first.get()}, {tcp.first.get(), tcp.second.get()}};
        for (const std::vector<int> &descriptors : wrong) {
            add("secret");
            answer(child_, TransferAnswer::CLIENT, descriptors);
            expect("EOF", child_);
            expect("EOF", application_);
            CPPUNIT_ASSERT(allEnd());
        }
        for (const auto &[tag, descriptor] : {std::pair{'R', tcp.first.get()}, std::pair{'X', tcp.first.get()}}) {
            add("secret");
            answer(child_, static_cast<TransferAnswer>(tag), {descriptor});
            expect("EOF", application_);
            CPPUNIT_ASSERT(allEnd());
        }
        tcp.first.reset();
        std::array<char, 10> bytes{};
        CPPUNIT_ASSERT_EQUAL(ssize_t{0}, ::recv(tcp.second.get(), bytes.data(), bytes.size(), 0));
    }

    void testAChildThatEndsOrSaysNothingEndsTheConnection() {
        add("one", CHUNKED_EVENTS);
        child_.reset();
        expect("EOF", application_);
        CPPUNIT_ASSERT(allEnd());
        add("one", CHUNKED_EVENTS);
        clock_.advance(5min);
        CPPUNIT_ASSERT(remain(1));
        clock_.advance(6min);
        CPPUNIT_ASSERT(allEnd());
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, relays_->streams());
    }

    void testThereAreOnlyAsManyAsThereMayBe() {
        add("");
        CPPUNIT_ASSERT(relays_->hasRoom());
        const FileDescriptor first = std::move(child_);
        add("");
        CPPUNIT_ASSERT(!relays_->hasRoom());
        child_.reset();
        CPPUNIT_ASSERT(eventually([&] {
            turn();
            return relays_->hasRoom();
        }));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(RelaysTest);

}  // namespace Passenger
