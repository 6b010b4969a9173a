#include "pool/WarmUpRun.h"

#include <cppunit/extensions/HelperMacros.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/Exceptions.h"
#include "base/Poll.h"
#include "io/SocketPair.h"
#include "shm/InstanceClaim.h"
#include "shm/Layouts.h"
#include "support/CapturedLog.h"
#include "support/LeakCheck.h"

namespace Passenger {

class WarmUpRunTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(WarmUpRunTest);
    CPPUNIT_TEST(testEachRequestIsAnsweredBeforeTheNextOneComes);
    CPPUNIT_TEST(testWhatComesOfARequestIsLogged);
    CPPUNIT_TEST(testARequestThatTakesTooLongIsGivenUpAndNoneFollows);
    CPPUNIT_TEST(testAnAnswerWithoutEndIsGivenUp);
    CPPUNIT_TEST(testARequestThatIsNoSingleMessageFails);
    CPPUNIT_TEST(testARequestThatTheInstanceHasDroppedIsSentAgain);
    CPPUNIT_TEST(testARequestThatIsClaimedWhileItIsWithdrawnAndSkippedIsSentAgain);
    CPPUNIT_TEST(testARequestThatIsClaimedOrNotTakenIsNotSentAgain);
    CPPUNIT_TEST(testWhatIsDoneBehindAnAnswerIsAwaited);
    CPPUNIT_TEST(testWorkBehindAnAnswerIsAwaitedUntilTheLimitOnly);
    CPPUNIT_TEST(testAFailureOfTheInstanceEndsIt);
    CPPUNIT_TEST(testTheEndOfTheInstanceEndsIt);
    CPPUNIT_TEST_SUITE_END();

    using Limit = std::chrono::milliseconds;
    static constexpr Limit LONG{60'000};
    /** Passes after the instance has taken its request, for which a busy machine needs time. */
    static constexpr Limit SHORT{1000};

    struct Answer {
        MessageType type;
        std::uint8_t flags = 0;
        std::uint16_t status = 0;
    };

    std::unique_ptr<CapturedLog> log_;
    SpawnResult parts_;
    std::unique_ptr<InstanceLink> link_;
    /** The instance's side. */
    FrameSocket there_;
    std::map<std::uint64_t, FileDescriptor> channels_;
    std::optional<InstanceClaim::Memory> memory_;

    static FrameSocket::Deadline later() { return FrameSocket::in(LONG); }
    static std::string environment(const std::string &path) {
        const std::string text = "GATEWAY_INTERFACE=CGI/1.1=REQUEST_URI=" + path + "=";
        std::string made = text;
        std::replace(made.begin(), made.end(), '=', '\0');
        return made;
    }
    /** Takes the next request. @return its header */
    RequestHeader take(int queue) {
        std::vector<char> buffer(MAX_MESSAGE);
        CPPUNIT_ASSERT(::recv(queue, buffer.data(), buffer.size(), 0) > 0);
        RequestHeader header{};
        std::memcpy(&header, buffer.data(), sizeof(header));
        if (!channels_.contains(header.channel)) {
            there_.send(Frame::of(FrameType::FETCH, header.channel), later());
            Frame frame = there_.receive(later());
            CPPUNIT_ASSERT(frame.type == FrameType::CHANNEL);
            channels_[header.channel] = frame.takeDescriptor(0);
        }
        return header;
    }
    void answer(const RequestHeader &request, const Answer &answer) {
        const MessageHeader header{request.ticket, answer.type, answer.flags, answer.status, 0, 0, 0};
        ::send(channels_[request.channel].get(), &header, sizeof(header), MSG_NOSIGNAL);
    }
    static bool hasRequest(int queue, Limit limit) { return pollUntil(queue, POLLIN, FrameSocket::in(limit)); }
    /** @return false: the request is withdrawn */
    bool claim(const RequestHeader &request) {
        return InstanceClaim(*memory_, 0).take(ChannelId(request.channel), Ticket(request.ticket));
    }
    void complete() { InstanceClaim(*memory_, 0).complete(MonotonicTime()); }
    /** Sends the requests, while `instance` is the instance with its end of the queue. */
    std::optional<Frame> run(const std::vector<std::string> &environments, Limit limit,
                             const std::function<void(int queue)> &instance) {
        WarmUpRun made(*link_, "blog", limit);
        const std::vector<int> descriptors = made.descriptors();
        memory_.emplace(FileDescriptor(::dup(descriptors[1])), FileDescriptor(::dup(descriptors[2])));
        auto sent = std::async(std::launch::async, [&] { return made.send(environments); });
        instance(descriptors.front());
        return sent.get();
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        log_ = std::make_unique<CapturedLog>();
        DescriptorPair control = makeStreamPair();
        parts_.control = FrameSocket(std::move(control.first));
        there_ = FrameSocket(std::move(control.second));
        link_ = std::make_unique<InstanceLink>(parts_);
    }
    void tearDown() override {
        channels_.clear();
        memory_.reset();
        link_.reset();
        parts_ = SpawnResult();
        there_ = FrameSocket();
        log_.reset();
        LeakCheck::tearDown();
    }

    void testEachRequestIsAnsweredBeforeTheNextOneComes() {
        const auto frame = run({environment("/a"), environment("/b")}, LONG, [this](int queue) {
            for (int i = 0; i < 2; i++) {
                const RequestHeader request = take(queue);
                CPPUNIT_ASSERT_EQUAL(LAYOUT_VERSION, request.version);
                CPPUNIT_ASSERT_EQUAL(std::uint8_t{0}, request.flags);
                char byte = 0;
                CPPUNIT_ASSERT_EQUAL(ssize_t{-1}, ::recv(queue, &byte, 1, MSG_PEEK | MSG_DONTWAIT));
                there_.send(Frame(FrameType::HEARTBEAT), later());
                answer(request, {MessageType::RESPONSE, 0, 200});
                answer(request, {MessageType::DATA});
                answer(request, {MessageType::DATA, LAST});
            }
        });
        CPPUNIT_ASSERT(!frame);
        CPPUNIT_ASSERT_EQUAL(1U, log_->count("event=warm_up.done app=\"blog\" path=\"/a\" status=200 ms="));
        CPPUNIT_ASSERT_EQUAL(1U, log_->count("event=warm_up.done app=\"blog\" path=\"/b\" status=200 ms="));
        CPPUNIT_ASSERT_EQUAL_MESSAGE("One channel", std::size_t{1}, channels_.size());
    }

    void testWhatComesOfARequestIsLogged() {
        const std::pair<std::vector<Answer>, const char *> cases[] = {
            {{{MessageType::RESPONSE, LAST, 499}}, "done app=\"blog\" path=\"/a\" status=499 ms="},
            {{{MessageType::RESPONSE, LAST, 500}}, "failed app=\"blog\" path=\"/a\" status=500"},
            {{{MessageType::INTERIM, 0, 103}, {MessageType::RESPONSE, LAST, 204}},
             "done app=\"blog\" path=\"/a\" status=204 ms="},
            {{{MessageType::RESPONSE, 0, 200}, {MessageType::ABORTED, LAST}},
             "failed app=\"blog\" path=\"/a\" status=200 reason=\"the answer was broken off\""},
            {{{MessageType::HIJACKED, LAST}},
             "failed app=\"blog\" path=\"/a\" reason=\"the application has taken the connection over\""},
            {{{MessageType::DATA, LAST}}, "failed app=\"blog\" path=\"/a\" reason=\"the application did not answer\""},
        };
        for (const auto &[answers, line] : cases) {
            channels_.clear();
            run({environment("/a")}, LONG, [&, &messages = answers](int queue) {
                const RequestHeader request = take(queue);
                for (const Answer &message : messages) {
                    answer(request, message);
                }
            });
            CPPUNIT_ASSERT_EQUAL_MESSAGE(line, 1U, log_->count(std::string("event=warm_up.") + line));
        }
    }

    void testARequestThatTakesTooLongIsGivenUpAndNoneFollows() {
        run({environment("/a"), environment("/b")}, SHORT, [this](int queue) {
            const RequestHeader request = take(queue);
            char byte = 0;
            CPPUNIT_ASSERT_EQUAL_MESSAGE("Its client has left", ssize_t{0},
                                         ::recv(channels_[request.channel].get(), &byte, 1, 0));
        });
        CPPUNIT_ASSERT_EQUAL(1U, log_->count("event=warm_up.failed app=\"blog\" path=\"/a\" reason=\"no answer within "
                                             "1000 ms after it was told to serve (PassengerStartTimeout)\""));
        CPPUNIT_ASSERT_EQUAL(0U, log_->count("/b"));
    }

    void testAnAnswerWithoutEndIsGivenUp() {
        run({environment("/a")}, SHORT, [this](int queue) {
            const RequestHeader request = take(queue);
            answer(request, {MessageType::RESPONSE, 0, 200});
            const MessageHeader header{request.ticket, MessageType::DATA, 0, 0, 0, 0, 0};
            while (::send(channels_[request.channel].get(), &header, sizeof(header), MSG_NOSIGNAL) > 0) {
            }
        });
        CPPUNIT_ASSERT_EQUAL(1U, log_->count("path=\"/a\" status=200 reason=\"no answer within 1000 ms"));
    }

    void testARequestThatIsNoSingleMessageFails() {
        run({environment("/a") + std::string(MAX_MESSAGE, 'x'), environment("/b")}, LONG, [this](int queue) {
            answer(take(queue), {MessageType::RESPONSE, LAST, 200});
        });
        CPPUNIT_ASSERT_EQUAL(1U, log_->count("event=warm_up.failed app=\"blog\" path=\"/a\" reason=\"the request has"));
        CPPUNIT_ASSERT_EQUAL(1U, log_->count("event=warm_up.done app=\"blog\" path=\"/b\""));
    }

    void testARequestThatTheInstanceHasDroppedIsSentAgain() {
        run({environment("/a"), environment("/b")}, LONG, [this](int queue) {
            const RequestHeader dropped = take(queue);
            there_.send(Frame::of(FrameType::NO_CHANNEL, dropped.channel), later());
            const RequestHeader again = take(queue);
            CPPUNIT_ASSERT_MESSAGE("It cannot run twice", !claim(dropped));
            answer(dropped, {MessageType::SKIPPED, LAST});
            CPPUNIT_ASSERT(claim(again));
            answer(again, {MessageType::RESPONSE, LAST, 200});
            answer(take(queue), {MessageType::RESPONSE, LAST, 201});
            complete();
        });
        CPPUNIT_ASSERT_EQUAL(1U, log_->count("event=warm_up.done app=\"blog\" path=\"/a\" status=200"));
        CPPUNIT_ASSERT_EQUAL(1U, log_->count("event=warm_up.done app=\"blog\" path=\"/b\" status=201"));
    }

    void testARequestThatIsClaimedWhileItIsWithdrawnAndSkippedIsSentAgain() {
        run({environment("/a")}, LONG, [this](int queue) {
            answer(take(queue), {MessageType::SKIPPED, LAST});
            answer(take(queue), {MessageType::RESPONSE, LAST, 200});
        });
        CPPUNIT_ASSERT_EQUAL(1U, log_->count("event=warm_up.done app=\"blog\" path=\"/a\" status=200"));
    }

    void testARequestThatIsClaimedOrNotTakenIsNotSentAgain() {
        run({environment("/a")}, LONG, [this](int queue) {
            std::this_thread::sleep_for(Limit(1500));
            const RequestHeader request = take(queue);
            CPPUNIT_ASSERT_MESSAGE("A copy", !hasRequest(queue, Limit(0)));
            CPPUNIT_ASSERT(claim(request));
            CPPUNIT_ASSERT_MESSAGE("A copy", !hasRequest(queue, Limit(1500)));
            answer(request, {MessageType::RESPONSE, LAST, 200});
            complete();
        });
        CPPUNIT_ASSERT_EQUAL(1U, log_->count("event=warm_up.done"));
    }

    void testWhatIsDoneBehindAnAnswerIsAwaited() {
        run({environment("/a")}, LONG, [this](int queue) {
            const RequestHeader request = take(queue);
            CPPUNIT_ASSERT(claim(request));
            answer(request, {MessageType::RESPONSE, LAST, 200});
            CPPUNIT_ASSERT_MESSAGE("The queue's end", !hasRequest(queue, Limit(200)));
            complete();
        });
        CPPUNIT_ASSERT_EQUAL(1U, log_->count("event=warm_up.done"));
    }

    void testWorkBehindAnAnswerIsAwaitedUntilTheLimitOnly() {
        run({environment("/a")}, SHORT, [this](int queue) {
            const RequestHeader request = take(queue);
            CPPUNIT_ASSERT(claim(request));
            answer(request, {MessageType::RESPONSE, LAST, 200});
        });
        CPPUNIT_ASSERT_EQUAL(1U, log_->count("event=warm_up.done"));
        CPPUNIT_ASSERT_EQUAL(1U, log_->count("event=warm_up.failed app=\"blog\" reason=\"work behind an answer has "
                                             "not ended within 1000 ms (PassengerStartTimeout)\""));
    }

    void testAFailureOfTheInstanceEndsIt() {
        const std::optional<Frame> frame = run({environment("/a")}, LONG, [this](int queue) {
            take(queue);
            there_.send(Frame(FrameType::FAILED, {"warm-up", "Error", "no cache", ""}), later());
        });
        CPPUNIT_ASSERT(frame && frame->type == FrameType::FAILED);
        CPPUNIT_ASSERT_EQUAL(std::string("warm-up"), frame->field(0));
        CPPUNIT_ASSERT_EQUAL(0U, log_->count("warm_up"));
    }

    void testTheEndOfTheInstanceEndsIt() {
        const auto dies = [this](int queue) {
            take(queue);
            there_ = FrameSocket();
        };
        CPPUNIT_ASSERT_THROW(run({environment("/a")}, LONG, dies), EndOfFileException);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(WarmUpRunTest);

}  // namespace Passenger
