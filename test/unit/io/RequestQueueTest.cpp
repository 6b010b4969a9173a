#include "io/RequestQueue.h"

#include <cppunit/extensions/HelperMacros.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "support/LeakCheck.h"

namespace Passenger {

class RequestQueueTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(RequestQueueTest);
    CPPUNIT_TEST(testAMessageArrivesWhole);
    CPPUNIT_TEST(testEachMessageGoesToOneReceiver);
    CPPUNIT_TEST(testTheLargestMessageFits);
    CPPUNIT_TEST(testAFullQueueRefusesAMessage);
    CPPUNIT_TEST(testTheQueueHasRoomForAsManyRequestsAsMayWait);
    CPPUNIT_TEST(testWithoutPrivilegesTheQueueIsSmaller);
    CPPUNIT_TEST(testAClosedQueueTakesNoMessage);
    CPPUNIT_TEST(testQueuedMessagesAreStillReceivedAfterTheEnd);
    CPPUNIT_TEST(testAQueueWithoutReceiversIsClosed);
    CPPUNIT_TEST(testAnOpenQueueIsNotClosed);
    CPPUNIT_TEST(testTheQueueShowsWhetherMessagesWait);
    CPPUNIT_TEST(testNothingCanBeSentBack);
    CPPUNIT_TEST(testTheSocketFilterCannotBeReplaced);
    CPPUNIT_TEST(testTheFileFlagsAreNotChanged);
    CPPUNIT_TEST_SUITE_END();

    using Outcome = RequestQueue::Outcome;

    static Outcome send(const RequestQueue &queue, const std::string &environment = "", const std::string &body = "") {
        RequestHeader header{};
        header.version = LAYOUT_VERSION;
        header.ticket = 7;
        return RequestQueue::send(queue.sendingEnd().get(), header, environment, body);
    }
    /** The next message; empty at the end. */
    static std::string receive(const FileDescriptor &end) {
        std::string text(MAX_MESSAGE + 1, '\0');
        const ssize_t size = ::recv(end.get(), text.data(), text.size(), MSG_DONTWAIT);
        CPPUNIT_ASSERT_MESSAGE("Nothing is there", size >= 0);
        text.resize(static_cast<std::size_t>(size));
        return text;
    }

public:
    void testAMessageArrivesWhole() {
        const RequestQueue queue;
        CPPUNIT_ASSERT(send(queue, "environment", "body") == Outcome::QUEUED);
        const std::string message = receive(queue.receivingEnd());
        CPPUNIT_ASSERT_EQUAL(std::string("environmentbody"), message.substr(sizeof(RequestHeader)));
        CPPUNIT_ASSERT_EQUAL('\7', message[offsetof(RequestHeader, ticket)]);
    }

    void testEachMessageGoesToOneReceiver() {
        const RequestQueue queue;
        const FileDescriptor other = queue.receivingEnd().duplicate();
        send(queue, "first");
        send(queue, "second");
        CPPUNIT_ASSERT(receive(queue.receivingEnd()).ends_with("first"));
        CPPUNIT_ASSERT(receive(other).ends_with("second"));
    }

    void testTheLargestMessageFits() {
        const RequestQueue queue;
        CPPUNIT_ASSERT(send(queue, std::string(MAX_MESSAGE - sizeof(RequestHeader), 'x')) == Outcome::QUEUED);
        CPPUNIT_ASSERT_EQUAL(MAX_MESSAGE, receive(queue.receivingEnd()).size());
    }

    void testAFullQueueRefusesAMessage() {
        const RequestQueue queue;
        const std::string environment(60000, 'x');
        unsigned queued = 0;
        while (send(queue, environment) == Outcome::QUEUED) {
            CPPUNIT_ASSERT(++queued < 100000);
        }
        CPPUNIT_ASSERT(queued > 0);
        CPPUNIT_ASSERT(send(queue, environment) == Outcome::FULL);
        for (; queued > 0; queued--) {
            receive(queue.receivingEnd());
        }
        CPPUNIT_ASSERT(!RequestQueue::hasWaiting(queue.sendingEnd().get()));
        CPPUNIT_ASSERT(send(queue, environment) == Outcome::QUEUED);
    }

    /** Queues requests of 2 KB until the queue is full. */
    static unsigned fill(const RequestQueue &queue, unsigned most) {
        const std::string environment(2048, 'x');
        unsigned count = 0;
        while (count < most && send(queue, environment) == Outcome::QUEUED) {
            count++;
        }
        return count;
    }

    void testTheQueueHasRoomForAsManyRequestsAsMayWait() {
        const RequestQueue queue(12000);
        if (queue.missingRoom() > 0) {
            return;  // A large queue needs CAP_NET_ADMIN.
        }
        CPPUNIT_ASSERT_EQUAL(12000U, fill(queue, 12000));
    }

    void testWithoutPrivilegesTheQueueIsSmaller() {
        const pid_t child = ::fork();
        if (child == 0) {
            const bool dropped = ::getuid() != 0 || (::setgid(65534) == 0 && ::setuid(65534) == 0);
            const RequestQueue queue(1U << 20);
            const unsigned room = fill(queue, 1U << 20);
            const bool full = send(queue, std::string(2048, 'x')) == Outcome::FULL;
            receive(queue.receivingEnd());
            const bool again = send(queue, std::string(2048, 'x')) == Outcome::QUEUED;
            ::_exit(dropped && queue.missingRoom() > 0 && room >= 20 && full && again ? 0 : 1);
        }
        int status = -1;
        CPPUNIT_ASSERT_EQUAL(child, ::waitpid(child, &status, 0));
        CPPUNIT_ASSERT_EQUAL(0, status);
    }

    void testAClosedQueueTakesNoMessage() {
        RequestQueue queue;
        queue.shutDown();
        CPPUNIT_ASSERT(send(queue) == Outcome::CLOSED);
        CPPUNIT_ASSERT(RequestQueue::closed(queue.sendingEnd().get()));
        CPPUNIT_ASSERT(RequestQueue::closed(queue.sendingEnd().duplicate().get()));
    }

    void testQueuedMessagesAreStillReceivedAfterTheEnd() {
        RequestQueue queue;
        send(queue, "first");
        queue.shutDown();
        CPPUNIT_ASSERT(receive(queue.receivingEnd()).ends_with("first"));
        CPPUNIT_ASSERT_EQUAL(std::string(), receive(queue.receivingEnd()));
    }

    void testAQueueWithoutReceiversIsClosed() {
        FileDescriptor sending;
        {
            const RequestQueue queue;
            sending = queue.sendingEnd().duplicate();
        }
        CPPUNIT_ASSERT(RequestQueue::closed(sending.get()));
        CPPUNIT_ASSERT(RequestQueue::send(sending.get(), RequestHeader{}, "", "") == Outcome::CLOSED);
    }

    void testAnOpenQueueIsNotClosed() {
        const RequestQueue queue;
        CPPUNIT_ASSERT(!RequestQueue::closed(queue.sendingEnd().get()));
        send(queue);
        CPPUNIT_ASSERT(!RequestQueue::closed(queue.sendingEnd().get()));
    }

    void testTheQueueShowsWhetherMessagesWait() {
        const RequestQueue queue;
        CPPUNIT_ASSERT(!RequestQueue::hasWaiting(queue.sendingEnd().get()));
        send(queue);
        CPPUNIT_ASSERT(RequestQueue::hasWaiting(queue.sendingEnd().get()));
        receive(queue.receivingEnd());
        CPPUNIT_ASSERT(!RequestQueue::hasWaiting(queue.sendingEnd().get()));
    }

    void testNothingCanBeSentBack() {
        const RequestQueue queue;
        CPPUNIT_ASSERT_EQUAL(ssize_t{-1}, ::send(queue.receivingEnd().get(), "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT));
        CPPUNIT_ASSERT_EQUAL(EPIPE, errno);
    }

    void testTheSocketFilterCannotBeReplaced() {
        const RequestQueue queue;
        sock_filter dropAll[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
        const sock_fprog program{1, dropAll};
        CPPUNIT_ASSERT_EQUAL(
            -1, ::setsockopt(queue.receivingEnd().get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)));
        CPPUNIT_ASSERT_EQUAL(EPERM, errno);
    }

    void testTheFileFlagsAreNotChanged() {
        const RequestQueue queue;
        send(queue);
        CPPUNIT_ASSERT_EQUAL(0, ::fcntl(queue.sendingEnd().get(), F_GETFL) & O_NONBLOCK);
        CPPUNIT_ASSERT_EQUAL(0, ::fcntl(queue.receivingEnd().get(), F_GETFL) & O_NONBLOCK);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(RequestQueueTest);

}  // namespace Passenger
