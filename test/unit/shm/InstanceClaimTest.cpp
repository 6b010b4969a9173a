#include "shm/InstanceClaim.h"

#include <cppunit/extensions/HelperMacros.h>

#include <chrono>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <string>

#include "shm/Claims.h"
#include "shm/Layouts.h"
#include "shm/Mapping.h"
#include "shm/SenderMemory.h"
#include "support/LeakCheck.h"
#include "support/SourceFolder.h"

namespace Passenger {

/** Runs the cases of test/claims/cases, whose first lines say the form. */
class InstanceClaimTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(InstanceClaimTest);
    CPPUNIT_TEST(testEachCaseOfTheSharedTableHolds);
    CPPUNIT_TEST_SUITE_END();

    /** The memory files of one case, and the claims of its instances by their cells. */
    class Group {
    public:
        /** False: what the statement says is not so. */
        bool holds(const std::string &statement) {
            std::istringstream words(statement);
            std::string name;
            words >> name;
            const std::uint64_t place = number(words);
            if (name == "mark") {
                *marks_.at<std::uint64_t>(SenderMemoryLayout::mark(place)) = number(words);
                return true;
            }
            const auto cell = static_cast<std::uint32_t>(place);
            if (name == "clear") {
                claimOf(cell).clear();
                return true;
            }
            if (name == "complete") {
                claimOf(cell).complete(NOW);
                return true;
            }
            auto *held = cells_.at<ClaimCell>(ClaimsLayout::offset(cell));
            if (name == "answered") {
                held->answered = number(words);
                return true;
            }
            if (name == "counted") {
                std::string outcome;
                const std::uint64_t count = number(words);
                words >> outcome;
                return held->answered == count && held->lastUsed == (outcome == "used" ? toNanoseconds(NOW) : 0);
            }
            const std::uint64_t channel = number(words);
            const std::uint64_t ticket = number(words);
            if (name == "take") {
                std::string outcome;
                words >> outcome;
                return outcome == (claimOf(cell).take(ChannelId(channel), Ticket(ticket)) ? "run" : "skip");
            }
            if (name == "cell") {
                *held = {channel, ticket};
                return true;
            }
            return name == "expect" && held->channel == channel && held->ticket == ticket;
        }

    private:
        static constexpr MonotonicTime NOW{std::chrono::seconds(4711)};

        static std::uint64_t number(std::istream &words) {
            std::string word;
            words >> word;
            return std::stoull(word, nullptr, 0);
        }

        InstanceClaim &claimOf(std::uint32_t cell) { return instances_.try_emplace(cell, memory_, cell).first->second; }

        Claims claims_;
        SenderMemory senders_;
        Mapping cells_{claims_.memory().descriptor(), ClaimsLayout::SIZE, Mapping::Access::READ_WRITE};
        Mapping marks_{senders_.memory().descriptor(), SenderMemoryLayout::SIZE, Mapping::Access::READ_WRITE};
        InstanceClaim::Memory memory_{claims_.memory().descriptor(), senders_.memory().readOnlyDescriptor()};
        std::map<std::uint32_t, InstanceClaim> instances_;
    };

public:
    void testEachCaseOfTheSharedTableHolds() {
        std::ifstream table(sourceFolder() / "test/claims/cases");
        std::optional<Group> group;
        std::string line;
        unsigned number = 0;
        while (std::getline(table, line)) {
            number++;
            if (line.starts_with("case ")) {
                group.emplace();
            } else if (!line.empty() && line.front() != '#') {
                const std::string place = "test/claims/cases:" + std::to_string(number) + ": " + line;
                CPPUNIT_ASSERT_MESSAGE(place, group.value().holds(line));
            }
        }
        CPPUNIT_ASSERT(group);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(InstanceClaimTest);

}  // namespace Passenger
