#include "shm/InFlightTable.h"

#include <cppunit/extensions/HelperMacros.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <string>

#include "io/SocketPair.h"
#include "shm/InFlightReader.h"
#include "shm/Mapping.h"
#include "support/Expect.h"
#include "support/LeakCheck.h"

namespace Passenger {

class InFlightTableTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(InFlightTableTest);
    CPPUNIT_TEST(testAnExchangeIsShownFromItsSendingToItsEnd);
    CPPUNIT_TEST(testAGroupSeesItsOwnExchangesOnly);
    CPPUNIT_TEST(testARequestIsDescribed);
    CPPUNIT_TEST(testALongUriIsCut);
    CPPUNIT_TEST(testTheDescriptionOfAnEarlierRequestIsNotShown);
    CPPUNIT_TEST(testADescriptionWithoutEndIsReadUpToItsLimit);
    CPPUNIT_TEST(testTheFirstFreeEntryIsAllocated);
    CPPUNIT_TEST(testAReleasedEntryShowsNothing);
    CPPUNIT_TEST(testAllEntriesCanBeAllocatedAndNoMore);
    CPPUNIT_TEST(testTheTableHasTheNumberOfEntriesEverUsed);
    CPPUNIT_TEST(testEntriesThatWereNeverUsedAreNotRead);
    CPPUNIT_TEST(testAFalseNumberOfUsedEntriesIsLimited);
    CPPUNIT_TEST(testAnEntryOfUnknownStateIsNotInFlight);
    CPPUNIT_TEST(testAFileThatIsNotSealedIsRefused);
    CPPUNIT_TEST(testAShortFileIsRefused);
    CPPUNIT_TEST(testADescriptorOfNoFileIsRefused);
    CPPUNIT_TEST_SUITE_END();

    static InFlightReader reader(const InFlightTable &inFlightTable) {
        return InFlightReader(inFlightTable.memory().descriptor().duplicate());
    }

public:
    void testAnExchangeIsShownFromItsSendingToItsEnd() {
        InFlightTable inFlightTable;
        const InFlightReader agent = reader(inFlightTable);
        const std::uint32_t entry = inFlightTable.allocate();
        CPPUNIT_ASSERT(agent.inFlight(2).empty());
        inFlightTable.sending(entry, ChannelId(7), Ticket(9), 2, MonotonicTime(std::chrono::nanoseconds(11)));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, agent.inFlight(2).size());
        const InFlightEntry shown = agent.inFlight(2).front();
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{7}, shown.channel);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{9}, shown.ticket);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{11}, shown.since);
        CPPUNIT_ASSERT(shown.state == InFlightState::SENDING);
        inFlightTable.sent(entry);
        CPPUNIT_ASSERT(agent.inFlight(2).front().state == InFlightState::SENT);
        inFlightTable.done(entry);
        CPPUNIT_ASSERT(agent.inFlight(2).empty());
    }

    void testAGroupSeesItsOwnExchangesOnly() {
        InFlightTable inFlightTable;
        inFlightTable.sending(inFlightTable.allocate(), ChannelId(7), Ticket(9), 2, MonotonicTime());
        inFlightTable.sending(inFlightTable.allocate(), ChannelId(8), Ticket(1), 3, MonotonicTime());
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, reader(inFlightTable).inFlight(3).size());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{8}, reader(inFlightTable).inFlight(3).front().channel);
    }

    void testARequestIsDescribed() {
        InFlightTable inFlightTable;
        const std::uint32_t entry = inFlightTable.allocate();
        inFlightTable.describe(entry, Ticket(9), {"192.0.2.7", "GET", "a1b2", "/posts?page=2"});
        inFlightTable.sending(entry, ChannelId(7), Ticket(9), 2, MonotonicTime());
        CPPUNIT_ASSERT(reader(inFlightTable).described(3).empty());
        const DescribedRequest shown = reader(inFlightTable).described(2).at(0);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{7}, shown.entry.channel);
        CPPUNIT_ASSERT_EQUAL(std::string("192.0.2.7"), shown.client);
        CPPUNIT_ASSERT_EQUAL(std::string("GET"), shown.method);
        CPPUNIT_ASSERT_EQUAL(std::string("a1b2"), shown.id);
        CPPUNIT_ASSERT_EQUAL(std::string("/posts?page=2"), shown.uri);
    }

    void testALongUriIsCut() {
        InFlightTable inFlightTable;
        const std::uint32_t entry = inFlightTable.allocate();
        const std::string uri(1000, 'a');
        inFlightTable.describe(entry, Ticket(9), {"::1", "PUT", "", uri});
        inFlightTable.sending(entry, ChannelId(7), Ticket(9), 2, MonotonicTime());
        const DescribedRequest shown = reader(inFlightTable).described(2).at(0);
        CPPUNIT_ASSERT_EQUAL(std::string("PUT"), shown.method);
        CPPUNIT_ASSERT_EQUAL(std::string(sizeof(RequestNote::text) - 1 - 9, 'a'), shown.uri);
        inFlightTable.describe(entry, Ticket(9), {uri, uri, uri, uri});
        const DescribedRequest full = reader(inFlightTable).described(2).at(0);
        CPPUNIT_ASSERT_EQUAL(std::string(sizeof(RequestNote::text) - 1, 'a'), full.client);
        CPPUNIT_ASSERT_EQUAL(std::string(), full.method + full.uri);
    }

    void testTheDescriptionOfAnEarlierRequestIsNotShown() {
        InFlightTable inFlightTable;
        const std::uint32_t entry = inFlightTable.allocate();
        inFlightTable.describe(entry, Ticket(8), {"192.0.2.7", "GET", "", "/"});
        inFlightTable.sending(entry, ChannelId(7), Ticket(9), 2, MonotonicTime());
        CPPUNIT_ASSERT_EQUAL(std::string(), reader(inFlightTable).described(2).at(0).uri);
    }

    void testADescriptionWithoutEndIsReadUpToItsLimit() {
        InFlightTable inFlightTable;
        const std::uint32_t entry = inFlightTable.allocate();
        inFlightTable.sending(entry, ChannelId(7), Ticket(9), 2, MonotonicTime());
        const Mapping mapping(inFlightTable.memory().descriptor(), InFlightLayout::SIZE, Mapping::Access::READ_WRITE);
        RequestNote *note = mapping.at<RequestNote>(InFlightLayout::note(entry));
        note->ticket = 9;
        std::fill(std::begin(note->text), std::end(note->text), 'x');
        const DescribedRequest shown = reader(inFlightTable).described(2).at(0);
        CPPUNIT_ASSERT_EQUAL(sizeof(RequestNote::text), shown.client.size());
        CPPUNIT_ASSERT_EQUAL(std::string(), shown.method + shown.uri);
    }

    void testTheFirstFreeEntryIsAllocated() {
        InFlightTable inFlightTable;
        for (std::uint32_t i = 0; i < 70; i++) {
            CPPUNIT_ASSERT_EQUAL(i, inFlightTable.allocate());
        }
        for (const std::uint32_t entry : {65U, 3U, 66U}) {
            inFlightTable.release(entry);
        }
        for (const std::uint32_t entry : {3U, 65U, 66U, 70U}) {
            CPPUNIT_ASSERT_EQUAL(entry, inFlightTable.allocate());
        }
    }

    void testAReleasedEntryShowsNothing() {
        InFlightTable inFlightTable;
        const std::uint32_t entry = inFlightTable.allocate();
        inFlightTable.sending(entry, ChannelId(7), Ticket(9), 2, MonotonicTime());
        inFlightTable.release(entry);
        CPPUNIT_ASSERT(reader(inFlightTable).inFlight(2).empty());
    }

    void testAllEntriesCanBeAllocatedAndNoMore() {
        InFlightTable inFlightTable;
        for (std::uint32_t i = 0; i < InFlightLayout::ENTRIES; i++) {
            inFlightTable.allocate();
        }
        thrownBy<IOException>([&] { inFlightTable.allocate(); });
        inFlightTable.release(17);
        CPPUNIT_ASSERT_EQUAL(17U, inFlightTable.allocate());
    }

    void testTheTableHasTheNumberOfEntriesEverUsed() {
        InFlightTable inFlightTable;
        CPPUNIT_ASSERT_EQUAL(0U, inFlightTable.memory().readU32(12));
        inFlightTable.allocate();
        inFlightTable.allocate();
        CPPUNIT_ASSERT_EQUAL(2U, inFlightTable.memory().readU32(12));
        inFlightTable.release(1);
        inFlightTable.release(0);
        CPPUNIT_ASSERT_EQUAL(2U, inFlightTable.memory().readU32(12));
        inFlightTable.allocate();
        CPPUNIT_ASSERT_EQUAL(2U, inFlightTable.memory().readU32(12));
    }

    void testEntriesThatWereNeverUsedAreNotRead() {
        InFlightTable inFlightTable;
        inFlightTable.allocate();
        inFlightTable.sending(1, ChannelId(7), Ticket(9), 2, MonotonicTime());
        CPPUNIT_ASSERT(reader(inFlightTable).inFlight(2).empty());
        inFlightTable.allocate();
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, reader(inFlightTable).inFlight(2).size());
    }

    void testAFalseNumberOfUsedEntriesIsLimited() {
        InFlightTable inFlightTable;
        inFlightTable.sending(InFlightLayout::ENTRIES - 1, ChannelId(7), Ticket(9), 2, MonotonicTime());
        const std::uint32_t nonsense = UINT32_MAX;
        CPPUNIT_ASSERT(::pwrite(inFlightTable.memory().descriptor().get(), &nonsense, sizeof(nonsense), 12) > 0);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, reader(inFlightTable).inFlight(2).size());
    }

    void testAnEntryOfUnknownStateIsNotInFlight() {
        InFlightTable inFlightTable;
        inFlightTable.allocate();
        const InFlightEntry nonsense{7, 9, 0, 2, static_cast<InFlightState>(99)};
        CPPUNIT_ASSERT(::pwrite(inFlightTable.memory().descriptor().get(), &nonsense, sizeof(nonsense),
                                InFlightLayout::offset(0)) > 0);
        CPPUNIT_ASSERT(reader(inFlightTable).inFlight(2).empty());
    }

    void testAFileThatIsNotSealedIsRefused() {
        FileDescriptor loose(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
        CPPUNIT_ASSERT_EQUAL(0, ::ftruncate(loose.get(), InFlightLayout::SIZE));
        thrownBy<ProtocolException>([&] { InFlightReader agent(std::move(loose)); });
    }

    void testAShortFileIsRefused() {
        const SharedMemory memory("test", InFlightLayout::SIZE - 1);
        thrownBy<ProtocolException>([&] { InFlightReader agent(memory.descriptor().duplicate()); });
    }

    void testADescriptorOfNoFileIsRefused() {
        DescriptorPair pair = makeStreamPair();
        thrownBy<ProtocolException>([&] { InFlightReader agent(std::move(pair.first)); });
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(InFlightTableTest);

}  // namespace Passenger
