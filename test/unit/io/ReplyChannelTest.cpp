#include "io/ReplyChannel.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <thread>

#include "io/SocketPair.h"
#include "support/Eventually.h"
#include "support/Expect.h"
#include "support/LeakCheck.h"
#include "support/TestThread.h"

namespace Passenger {

class ReplyChannelTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(ReplyChannelTest);
    CPPUNIT_TEST(testTicketsGrowAndAreNeverZero);
    CPPUNIT_TEST(testAMessageArrivesWithItsSize);
    CPPUNIT_TEST(testWithoutAMessageReceiveDoesNotWait);
    CPPUNIT_TEST(testReceiveMayWaitForAMoment);
    CPPUNIT_TEST(testAShutDownEndsTheWait);
    CPPUNIT_TEST(testTheLargestMessageArrives);
    CPPUNIT_TEST(testTheKernelTellsWhichProcessHasSentAMessage);
    CPPUNIT_TEST(testALongerMessageBreaksTheProtocol);
    CPPUNIT_TEST(testADescriptorComesWithItsMessage);
    CPPUNIT_TEST(testDescriptorsOfATooLongMessageAreClosed);
    CPPUNIT_TEST(testMoreDescriptorsThanAnyMessageHasAreClosed);
    CPPUNIT_TEST(testAShutDownChannelIsAtItsEnd);
    CPPUNIT_TEST(testAMessageBeforeTheShutDownIsStillReceived);
    CPPUNIT_TEST(testAnAnswerBeforeASuddenEndIsStillReceived);
    CPPUNIT_TEST(testSendingWithoutRoomDoesNotWait);
    CPPUNIT_TEST(testSendingOnAChannelThatWasShutDownIsTheEnd);
    CPPUNIT_TEST(testTheChannelKnowsWhetherAllWasRead);
    CPPUNIT_TEST(testAShutDownFreesABlockedWriter);
    CPPUNIT_TEST(testANoticeReachesTheChild);
    CPPUNIT_TEST(testANoticeWithoutRoomIsToBeSentLater);
    CPPUNIT_TEST(testANoticeToAnEndedChannelCountsAsSent);
    CPPUNIT_TEST(testADescriptorWithoutRoomIsAShortage);
    CPPUNIT_TEST_SUITE_END();

    FileDescriptor instanceEnd_;
    std::unique_ptr<ReplyChannel> channel_;
    std::vector<char> buffer_;
    std::vector<FileDescriptor> descriptors_;

    std::size_t receive() { return channel_->receive(buffer_, descriptors_); }
    void answer(const std::string &message) {
        CPPUNIT_ASSERT_EQUAL(static_cast<ssize_t>(message.size()),
                             ::send(instanceEnd_.get(), message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT));
    }
    static MessageHeader body() {
        MessageHeader header{};
        header.ticket = 1;
        header.type = MessageType::BODY;
        return header;
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        DescriptorPair pair = makeSeqPacketPair();
        instanceEnd_ = std::move(pair.second);
        channel_ = std::make_unique<ReplyChannel>(std::move(pair.first), ChannelId(7), 3, 1, ChannelSecret::random());
        buffer_.resize(MAX_MESSAGE);
    }

    void tearDown() override {
        descriptors_.clear();
        channel_.reset();
        instanceEnd_.reset();
        LeakCheck::tearDown();
    }

    void testTicketsGrowAndAreNeverZero() {
        CPPUNIT_ASSERT(channel_->nextTicket() == Ticket(1));
        CPPUNIT_ASSERT(channel_->nextTicket() == Ticket(2));
    }

    void testAMessageArrivesWithItsSize() {
        answer("hello");
        CPPUNIT_ASSERT(channel_->readable());
        CPPUNIT_ASSERT_EQUAL(std::size_t{5}, receive());
        CPPUNIT_ASSERT_EQUAL(std::string("hello"), std::string(buffer_.data(), 5));
    }

    void testTheKernelTellsWhichProcessHasSentAMessage() {
        CPPUNIT_ASSERT_EQUAL(pid_t{0}, channel_->sender());
        answer("mine");
        receive();
        CPPUNIT_ASSERT_EQUAL(getpid(), channel_->sender());
        const pid_t other = fork();
        if (other == 0) {
            _exit(::send(instanceEnd_.get(), "other", 5, MSG_NOSIGNAL) == 5 ? 0 : 1);
        }
        int status = 0;
        CPPUNIT_ASSERT_EQUAL(other, waitpid(other, &status, 0));
        CPPUNIT_ASSERT_EQUAL(0, status);
        CPPUNIT_ASSERT_EQUAL(std::size_t{5}, receive());
        CPPUNIT_ASSERT_EQUAL(other, channel_->sender());
    }

    void testWithoutAMessageReceiveDoesNotWait() {
        CPPUNIT_ASSERT(!channel_->readable());
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, receive());
    }

    void testReceiveMayWaitForAMoment() {
        const auto waitsForAnswer = [this] {
            TestThread instance([this] {
                std::this_thread::sleep_for(ReplyChannel::PATIENCE / 4);
                answer("hello");
            });
            const std::size_t size = channel_->receive(buffer_, descriptors_, ReplyChannel::Waiting::FOR_A_MOMENT);
            instance.join();
            // On a busy machine the answer may have come too late.
            CPPUNIT_ASSERT_EQUAL(std::size_t{5}, size > 0 ? size : receive());
            return size > 0;
        };
        CPPUNIT_ASSERT(eventually(waitsForAnswer));
        CPPUNIT_ASSERT_EQUAL(std::size_t{0},
                             channel_->receive(buffer_, descriptors_, ReplyChannel::Waiting::FOR_A_MOMENT));
    }

    void testAShutDownEndsTheWait() {
        CPPUNIT_ASSERT_EQUAL(0, ::shutdown(instanceEnd_.get(), SHUT_RDWR));
        CPPUNIT_ASSERT_THROW(channel_->receive(buffer_, descriptors_, ReplyChannel::Waiting::FOR_A_MOMENT),
                             EndOfFileException);
    }

    void testTheLargestMessageArrives() {
        answer(std::string(MAX_MESSAGE, 'x'));
        CPPUNIT_ASSERT_EQUAL(MAX_MESSAGE, receive());
    }

    void testALongerMessageBreaksTheProtocol() {
        answer(std::string(MAX_MESSAGE + 1, 'x'));
        thrownBy<ProtocolException>([this] { receive(); });
    }

    void testADescriptorComesWithItsMessage() {
        DescriptorPair pipe = makePipe();
        const int given = pipe.second.get();
        sendWithDescriptors(instanceEnd_, "x", std::span(&given, 1));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, receive());
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, descriptors_.size());
        CPPUNIT_ASSERT_EQUAL(ssize_t{1}, ::write(descriptors_.front().get(), "!", 1));
        char byte = 0;
        CPPUNIT_ASSERT_EQUAL(ssize_t{1}, ::read(pipe.first.get(), &byte, 1));
    }

    void testDescriptorsOfATooLongMessageAreClosed() {
        const DescriptorPair pipe = makePipe();
        const int given = pipe.second.get();
        sendWithDescriptors(instanceEnd_, std::string(MAX_MESSAGE + 1, 'x'), std::span(&given, 1));
        thrownBy<ProtocolException>([this] { receive(); });
    }

    void testMoreDescriptorsThanAnyMessageHasAreClosed() {
        DescriptorPair pipe = makePipe();
        const std::vector<int> given(MAX_DESCRIPTORS, pipe.second.get());
        sendWithDescriptors(instanceEnd_, "x", given);
        pipe.second.reset();
        receive();
        descriptors_.clear();
        char byte = 0;
        CPPUNIT_ASSERT_EQUAL(ssize_t{0}, ::read(pipe.first.get(), &byte, 1));
    }

    void testAShutDownChannelIsAtItsEnd() {
        CPPUNIT_ASSERT_EQUAL(0, ::shutdown(instanceEnd_.get(), SHUT_RDWR));
        CPPUNIT_ASSERT(channel_->readable());
        thrownBy<EndOfFileException>([this] { receive(); });
    }

    void testAMessageBeforeTheShutDownIsStillReceived() {
        answer("hello");
        ::shutdown(instanceEnd_.get(), SHUT_RDWR);
        CPPUNIT_ASSERT_EQUAL(std::size_t{5}, receive());
        thrownBy<EndOfFileException>([this] { receive(); });
    }

    void testAnAnswerBeforeASuddenEndIsStillReceived() {
        CPPUNIT_ASSERT(channel_->send(body(), "which nobody reads"));
        answer("hello");
        instanceEnd_.reset();
        CPPUNIT_ASSERT_EQUAL(std::size_t{5}, receive());
        thrownBy<EndOfFileException>([this] { receive(); });
    }

    void testSendingWithoutRoomDoesNotWait() {
        const std::string piece(60000, 'x');
        unsigned sent = 0;
        while (channel_->send(body(), piece)) {
            CPPUNIT_ASSERT(++sent < 10000);
        }
        CPPUNIT_ASSERT(sent > 0);
        CPPUNIT_ASSERT(!channel_->send(body(), piece));
    }

    void testSendingOnAChannelThatWasShutDownIsTheEnd() {
        ::shutdown(instanceEnd_.get(), SHUT_RDWR);
        thrownBy<EndOfFileException>([this] { channel_->send(body(), "x"); });
    }

    void testTheChannelKnowsWhetherAllWasRead() {
        CPPUNIT_ASSERT(channel_->drained());
        channel_->send(body(), "x");
        CPPUNIT_ASSERT(!channel_->drained());
        CPPUNIT_ASSERT_EQUAL(ssize_t{sizeof(MessageHeader) + 1},
                             ::recv(instanceEnd_.get(), buffer_.data(), buffer_.size(), 0));
        CPPUNIT_ASSERT(channel_->drained());
    }

    void testAShutDownFreesABlockedWriter() {
        channel_->shutDown();
        CPPUNIT_ASSERT_EQUAL(ssize_t{-1}, ::send(instanceEnd_.get(), "x", 1, MSG_NOSIGNAL));
        CPPUNIT_ASSERT_EQUAL(ssize_t{0}, ::recv(instanceEnd_.get(), buffer_.data(), buffer_.size(), 0));
    }

    void testANoticeReachesTheChild() {
        MessageHeader notice{};
        notice.type = MessageType::LOST;
        CPPUNIT_ASSERT(notifyChannel(instanceEnd_, notice, "why"));
        CPPUNIT_ASSERT_EQUAL(sizeof(notice) + 3, receive());
    }

    void testANoticeWithoutRoomIsToBeSentLater() {
        const std::string text(60000, 'x');
        while (notifyChannel(instanceEnd_, MessageHeader{}, text)) {
        }
        while (receive() > 0) {
        }
        CPPUNIT_ASSERT(notifyChannel(instanceEnd_, MessageHeader{}, text));
    }

    void testANoticeToAnEndedChannelCountsAsSent() {
        channel_.reset();
        CPPUNIT_ASSERT(notifyChannel(instanceEnd_, MessageHeader{}, ""));
    }

    void testADescriptorWithoutRoomIsAShortage() {
        const int given = instanceEnd_.get();
        sendWithDescriptors(instanceEnd_, "x", std::span(&given, 1));
        rlimit before{};
        ::getrlimit(RLIMIT_NOFILE, &before);
        // Each number below this one is taken.
        const FileDescriptor free = instanceEnd_.duplicate();
        const rlimit tight{static_cast<rlim_t>(free.get()), before.rlim_max};
        ::setrlimit(RLIMIT_NOFILE, &tight);
        int error = 0;
        try {
            receive();
        } catch (const SystemException &exception) {
            error = exception.error();
        }
        ::setrlimit(RLIMIT_NOFILE, &before);
        CPPUNIT_ASSERT_EQUAL(EMFILE, error);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ReplyChannelTest);

}  // namespace Passenger
