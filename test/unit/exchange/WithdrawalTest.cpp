#include "exchange/Withdrawal.h"

#include <cppunit/extensions/HelperMacros.h>

#include "support/Expect.h"
#include "support/FakeHost.h"
#include "support/LeakCheck.h"

namespace Passenger {

class WithdrawalTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(WithdrawalTest);
    CPPUNIT_TEST(testAnUnclaimedTicketIsNotBegun);
    CPPUNIT_TEST(testAClaimedTicketIsBegun);
    CPPUNIT_TEST(testAMessageAboutTheTicketIsAnAnswer);
    CPPUNIT_TEST(testHintsAndStaleMessagesAreDropped);
    CPPUNIT_TEST(testTheEndOfTheChannelIsFoundBehindItsMessages);
    CPPUNIT_TEST_SUITE_END();

    using Outcome = Withdrawal::Outcome;

    std::shared_ptr<FakeHost> host_;
    QueueLinkPtr link_;
    std::unique_ptr<ExchangeChannel> channel_;
    Ticket ticket_;
    std::vector<char> buffer_;

    Withdrawal withdrawal() { return {*link_, *channel_, ticket_}; }
    /** Takes the request, as an instance does. */
    FakeHost::Request taken() {
        FakeHost::Request request;
        request.header.channel = (*channel_)->id().value();
        request.header.ticket = ticket_.value();
        return request;
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        host_ = std::make_shared<FakeHost>();
        link_ = host_->link(host_->options, Generation());
        channel_ = std::make_unique<ExchangeChannel>(*host_);
        CPPUNIT_ASSERT(channel_->open(*link_));
        ticket_ = (*channel_)->nextTicket();
        buffer_.resize(MAX_MESSAGE);
    }

    void tearDown() override {
        channel_->giveBack(false);
        channel_.reset();
        link_.reset();
        host_.reset();
        LeakCheck::tearDown();
    }

    void testAnUnclaimedTicketIsNotBegun() {
        CPPUNIT_ASSERT(withdrawal().withdraw(buffer_) == Outcome::NOT_BEGUN);
        CPPUNIT_ASSERT_EQUAL(ticket_.value(), host_->mark());
    }

    void testAClaimedTicketIsBegun() {
        host_->claim(taken());
        CPPUNIT_ASSERT(withdrawal().held());
        CPPUNIT_ASSERT(!withdrawal().diedWith());
        CPPUNIT_ASSERT(withdrawal().withdraw(buffer_) == Outcome::BEGUN);
        CPPUNIT_ASSERT_EQUAL(ticket_.value(), host_->mark());
    }

    void testAMessageAboutTheTicketIsAnAnswer() {
        host_->send(MessageType::SKIPPED, ticket_.value());
        CPPUNIT_ASSERT(withdrawal().withdraw(buffer_) == Outcome::ANSWERED);
        CPPUNIT_ASSERT(channel_->header(buffer_).type == MessageType::SKIPPED);
    }

    void testHintsAndStaleMessagesAreDropped() {
        host_->send(MessageType::RECHECK, ticket_.value());
        host_->send(MessageType::REFUSED, ticket_.value());
        host_->send(MessageType::RESPONSE, ticket_.value() + 7);
        host_->sendRaw("short");
        CPPUNIT_ASSERT(withdrawal().withdraw(buffer_) == Outcome::NOT_BEGUN);
        CPPUNIT_ASSERT(!channel_->receive(buffer_));
    }

    void testTheEndOfTheChannelIsFoundBehindItsMessages() {
        host_->send(MessageType::RECHECK, ticket_.value());
        (*channel_)->shutDown();
        CPPUNIT_ASSERT_THROW(withdrawal().withdraw(buffer_), EndOfFileException);
        CPPUNIT_ASSERT_EQUAL(ticket_.value(), host_->mark());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(WithdrawalTest);

}  // namespace Passenger
