#include "io/Frame.h"

#include <cppunit/extensions/HelperMacros.h>

#include <cstdint>
#include <fstream>
#include <limits>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "io/FinishLimit.h"
#include "support/Expect.h"
#include "support/LeakCheck.h"
#include "support/SourceFolder.h"

namespace Passenger {

class FrameTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(FrameTest);
    CPPUNIT_TEST(testTheBytesAreAsTheProtocolSays);
    CPPUNIT_TEST(testTypesOfProcessesAreAsRecordedForTheirVersion);
    CPPUNIT_TEST(testAMissingFieldIsAnError);
    CPPUNIT_TEST(testNumbersAreDecimalText);
    CPPUNIT_TEST(testFieldsOfSeveralKinds);
    CPPUNIT_TEST(testAMalformedNumberIsAnError);
    CPPUNIT_TEST(testAMapHasTheFieldsFromAnIndexOn);
    CPPUNIT_TEST(testAMapWithoutTheLastValueIsAnError);
    CPPUNIT_TEST(testADescriptorCanBeTakenOnce);
    CPPUNIT_TEST(testTheLargestFrameIsAllowedAndNoLarger);
    CPPUNIT_TEST(testAFrameWithSettingsMayBeLarger);
    CPPUNIT_TEST(testAsManyFieldsAsTheLimitAreAllowedAndNoMore);
    CPPUNIT_TEST(testAsManyDescriptorsAsTheLimitAreAllowedAndNoMore);
    CPPUNIT_TEST_SUITE_END();

public:
    void testTheBytesAreAsTheProtocolSays() {
        Frame frame(FrameType::POOL_READY, {"ab", ""});
        frame.descriptors.push_back(makePipe().first);
        const std::string expected(
            "\x0a\0\0\0"
            "\x49\0"
            "\x01\0"
            "\x02\0\0\0ab"
            "\0\0\0\0",
            18);
        CPPUNIT_ASSERT(expected == frame.encode());
    }

    /** Programs in Ruby, Python and JavaScript have these numbers, too. Their tests read the same
     *  file. */
    void testTypesOfProcessesAreAsRecordedForTheirVersion() {
        const std::vector<std::pair<std::string, FrameType>> types{{"SPAWN_HELLO", FrameType::SPAWN_HELLO},
                                                                   {"SPAWN_START", FrameType::SPAWN_START},
                                                                   {"SPAWN_STARTED", FrameType::SPAWN_STARTED},
                                                                   {"SPAWN_FAILED", FrameType::SPAWN_FAILED},
                                                                   {"SPAWN_IDLE", FrameType::SPAWN_IDLE},
                                                                   {"SPAWN_FORKED", FrameType::SPAWN_FORKED},
                                                                   {"SPAWN_GO", FrameType::SPAWN_GO},
                                                                   {"HELLO", FrameType::PROCESS_HELLO},
                                                                   {"LOAD", FrameType::LOAD},
                                                                   {"STEP", FrameType::STEP},
                                                                   {"LOADED", FrameType::LOADED},
                                                                   {"FAILED", FrameType::FAILED},
                                                                   {"FORK", FrameType::FORK},
                                                                   {"FORKED", FrameType::FORKED},
                                                                   {"SERVE", FrameType::SERVE},
                                                                   {"READY", FrameType::READY},
                                                                   {"FETCH", FrameType::FETCH},
                                                                   {"CHANNEL", FrameType::CHANNEL},
                                                                   {"NO_CHANNEL", FrameType::NO_CHANNEL},
                                                                   {"DROP", FrameType::DROP},
                                                                   {"FINISH", FrameType::FINISH},
                                                                   {"LIMIT_REACHED", FrameType::LIMIT_REACHED},
                                                                   {"PAUSE", FrameType::PAUSE},
                                                                   {"WARM", FrameType::WARM},
                                                                   {"REFORK", FrameType::REFORK},
                                                                   {"HEARTBEAT", FrameType::HEARTBEAT},
                                                                   {"THREADS", FrameType::THREADS}};
        std::ostringstream table;
        for (const auto &[name, type] : types) {
            table << name << ' ' << static_cast<std::uint16_t>(type) << '\n';
        }
        table << "FINISH_SECONDS " << FINISH_LIMIT.count() << '\n';
        std::ostringstream recorded;
        recorded << std::ifstream(sourceFolder() / "test/layouts/frames-1").rdbuf();
        CPPUNIT_ASSERT_EQUAL(recorded.str(), table.str());
    }

    void testAMissingFieldIsAnError() {
        const Frame frame(FrameType::HELLO, {"a"});
        CPPUNIT_ASSERT_EQUAL(std::string("a"), frame.field(0));
        const auto error = thrownBy<ProtocolException>([&] { frame.field(1); });
        CPPUNIT_ASSERT_EQUAL(std::string("Frame of type 1 has no field 1"), std::string(error.what()));
    }

    void testNumbersAreDecimalText() {
        const Frame frame = Frame::of(FrameType::VALUE, 0, std::numeric_limits<std::uint64_t>::max(), true, -1);
        CPPUNIT_ASSERT_EQUAL(std::string("18446744073709551615"), frame.field(1));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, frame.number(0));
        CPPUNIT_ASSERT_EQUAL(std::numeric_limits<std::uint64_t>::max(), frame.number(1));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, frame.number(2));
        CPPUNIT_ASSERT_EQUAL(-1, static_cast<int>(frame.number(3)));
    }

    void testFieldsOfSeveralKinds() {
        const std::vector<std::string> texts{"b", "c"};
        const std::map<std::string, std::string> map{{"key", "value"}};
        const Frame frame = Frame::of(FrameType::VALUE, "a", texts, ChannelId(7), map, std::string());
        CPPUNIT_ASSERT((std::vector<std::string>{"a", "b", "c", "7", "key", "value", ""}) == frame.fields);
    }

    void testAMalformedNumberIsAnError() {
        for (const char *text : {"", "-1", "+1", " 1", "1 ", "0x10", "1.0", "18446744073709551616"}) {
            const Frame frame(FrameType::VALUE, {text});
            thrownBy<ProtocolException>([&] { frame.number(0); });
        }
    }

    void testAMapHasTheFieldsFromAnIndexOn() {
        const std::map<std::string, std::string> settings{{"a", "1"}, {"b", ""}};
        Frame frame(FrameType::SETTINGS, {"first"});
        frame.add(settings);
        CPPUNIT_ASSERT(settings == frame.map(1));
        CPPUNIT_ASSERT(frame.map(5).empty());
    }

    void testAMapWithoutTheLastValueIsAnError() {
        const Frame frame(FrameType::SETTINGS, {"a", "1", "b"});
        thrownBy<ProtocolException>([&] { frame.map(0); });
        thrownBy<ProtocolException>([&] { frame.map(4); });
    }

    void testADescriptorCanBeTakenOnce() {
        Frame frame(FrameType::WELCOME);
        frame.descriptors.push_back(makePipe().first);
        CPPUNIT_ASSERT(frame.takeDescriptor(0));
        thrownBy<ProtocolException>([&] { frame.takeDescriptor(0); });
        thrownBy<ProtocolException>([&] { frame.takeDescriptor(1); });
    }

    void testTheLargestFrameIsAllowedAndNoLarger() {
        Frame frame(FrameType::LOAD, {std::string(Frame::MAX_SIZE - 4, 'x')});
        CPPUNIT_ASSERT_EQUAL(Frame::HEADER_SIZE + Frame::MAX_SIZE, frame.encode().size());
        frame.fields[0] += 'x';
        thrownBy<ProtocolException>([&] { frame.encode(); });
    }

    void testAFrameWithSettingsMayBeLarger() {
        for (const FrameType type : {FrameType::AGENT_START, FrameType::SETTINGS, FrameType::BEGIN}) {
            const Frame frame(type, {std::string(Frame::MAX_SIZE, 'x')});
            CPPUNIT_ASSERT_EQUAL(Frame::HEADER_SIZE + 4 + Frame::MAX_SIZE, frame.encode().size());
        }
    }

    void testAsManyFieldsAsTheLimitAreAllowedAndNoMore() {
        Frame frame(FrameType::LOAD, std::vector<std::string>(Frame::MAX_FIELDS));
        CPPUNIT_ASSERT_EQUAL(Frame::HEADER_SIZE + 4 * Frame::MAX_FIELDS, frame.encode().size());
        frame.add("");
        thrownBy<ProtocolException>([&] { frame.encode(); });
    }

    void testAsManyDescriptorsAsTheLimitAreAllowedAndNoMore() {
        Frame frame(FrameType::STORE);
        while (frame.descriptors.size() < MAX_DESCRIPTORS) {
            frame.descriptors.push_back(makePipe().first);
        }
        CPPUNIT_ASSERT_EQUAL(char{MAX_DESCRIPTORS}, frame.encode()[6]);
        frame.descriptors.push_back(makePipe().first);
        thrownBy<ProtocolException>([&] { frame.encode(); });
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(FrameTest);

}  // namespace Passenger
