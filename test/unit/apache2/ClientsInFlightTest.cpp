#include "apache2/response/ClientsInFlight.h"

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cppunit/extensions/HelperMacros.h>

#include <memory>
#include <string>
#include <vector>

#include "io/SocketPair.h"
#include "support/LeakCheck.h"

namespace Passenger {

class ClientsInFlightTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(ClientsInFlightTest);
    CPPUNIT_TEST(testAClientComesWithItsAnswer);
    CPPUNIT_TEST(testAnApplicationThatReceivesNothingGetsFewClients);
    CPPUNIT_TEST(testAnEndThatWasShutDownStillHasTheClient);
    CPPUNIT_TEST(testReceivedClientsMakeRoom);
    CPPUNIT_TEST(testAStreamThatIsClosedTakesNothing);
    CPPUNIT_TEST(testAnInstanceThatReceivesNothingHoldsNoOtherUpUnlessThereAreMany);
    CPPUNIT_TEST(testReceivedClientsOfOtherApplicationsAreDropped);
    CPPUNIT_TEST_SUITE_END();

    std::unique_ptr<ClientsInFlight> clients_;
    std::vector<FileDescriptor> instances_;
    DescriptorPair client_;

    /** A pair that another process has made, as an instance does. */
    static DescriptorPair pairOfAnother() {
        const DescriptorPair way = makeStreamPair();
        const pid_t pid = ::fork();
        if (pid == 0) {
            const DescriptorPair pair = makeStreamPair();
            const int ends[] = {pair.first.get(), pair.second.get()};
            sendWithDescriptors(way.second, {"x", 1}, ends, 0);
            ::_exit(0);
        }
        char byte = 0;
        Received received = receiveWithDescriptors(way.first, {&byte, 1});
        ::waitpid(pid, nullptr, 0);
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, received.descriptors.size());
        return {std::move(received.descriptors[0]), std::move(received.descriptors[1])};
    }
    bool send(const std::string &app, DescriptorPair pair = makeStreamPair()) {
        const bool sent = clients_->send(app, pair.first, client_.first.get()) == ClientsInFlight::Sent::YES;
        CPPUNIT_ASSERT_EQUAL(sent, !pair.first);
        instances_.push_back(std::move(pair.second));
        return sent;
    }
    void fill(const std::string &app) {
        for (std::size_t i = 0; i < ClientsInFlight::MOST; i++) {
            CPPUNIT_ASSERT(send(app));
        }
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        clients_ = std::make_unique<ClientsInFlight>();
        client_ = makeStreamPair();
    }

    void tearDown() override {
        clients_.reset();
        instances_.clear();
        client_ = {};
        LeakCheck::tearDown();
    }

    void testAClientComesWithItsAnswer() {
        CPPUNIT_ASSERT(send("a"));
        char answer = 0;
        Received received = receiveWithDescriptors(instances_.front(), {&answer, 1});
        CPPUNIT_ASSERT_EQUAL('C', answer);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, received.descriptors.size());
        CPPUNIT_ASSERT_EQUAL(ssize_t{1}, ::send(client_.second.get(), "x", 1, 0));
        CPPUNIT_ASSERT_EQUAL(ssize_t{1}, ::recv(received.descriptors.front().get(), &answer, 1, 0));
    }

    void testAnApplicationThatReceivesNothingGetsFewClients() {
        fill("a");
        CPPUNIT_ASSERT(!send("a"));
        CPPUNIT_ASSERT(send("b"));
    }

    void testAnEndThatWasShutDownStillHasTheClient() {
        fill("a");
        for (const FileDescriptor &instance : instances_) {
            CPPUNIT_ASSERT_EQUAL(0, ::shutdown(instance.get(), SHUT_RDWR));
        }
        CPPUNIT_ASSERT(!send("a"));
    }

    void testReceivedClientsMakeRoom() {
        fill("a");
        char answer = 0;
        receiveWithDescriptors(instances_[3], {&answer, 1});
        instances_[5].reset();
        CPPUNIT_ASSERT(send("a") && send("a"));
        CPPUNIT_ASSERT(!send("a"));
    }

    void testAStreamThatIsClosedTakesNothing() {
        DescriptorPair pair = makeStreamPair();
        pair.second.reset();
        CPPUNIT_ASSERT(clients_->send("a", pair.first, client_.first.get()) == ClientsInFlight::Sent::FAILED);
        fill("a");
    }

    void testAnInstanceThatReceivesNothingHoldsNoOtherUpUnlessThereAreMany() {
        fill("a");
        CPPUNIT_ASSERT(!send("a"));
        std::size_t others = 0;
        while (others < ClientsInFlight::MOST_OF_APP && send("a", pairOfAnother())) {
            others++;
        }
        CPPUNIT_ASSERT_EQUAL(ClientsInFlight::MOST_OF_APP - ClientsInFlight::MOST, others);
    }

    void testReceivedClientsOfOtherApplicationsAreDropped() {
        CPPUNIT_ASSERT(send("a"));
        char answer = 0;
        receiveWithDescriptors(instances_.front(), {&answer, 1});
        CPPUNIT_ASSERT(send("b"));
        // This process's end is closed.
        CPPUNIT_ASSERT_EQUAL(ssize_t{0}, ::recv(instances_.front().get(), &answer, 1, 0));
    }
};
CPPUNIT_TEST_SUITE_REGISTRATION(ClientsInFlightTest);

}  // namespace Passenger
