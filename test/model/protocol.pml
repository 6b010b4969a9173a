/*
 * The protocol of doc/PROTOCOLS.md, sections 1 to 3, for spin: children put requests into a queue; instances take them, claim them, look at
 * their marks, and answer on reply channels; each of them, and the agent, may die between any two steps. README.md says what is modelled
 * and what is not; script/model runs it.
 *
 * Each `atomic` is one step of the code, which is named beside it: a system call, or an access to shared memory. Between two of them
 * anything may happen, for as long as it likes: so a process that is stopped for a while needs no words here.
 */

#define SENDERS 2       /* httpd children, each with one thread that asks */
#define REQUESTS 2      /* of each: one after the other, on one reply channel as long as that is clean */
#define INSTANCES 3     /* first those that are there, then those that the agent starts */
#define LINES 4         /* generations, and one that is none */
#define CHANNELS 4
#define QUEUE_LENGTH 6
#define CHANNEL_LENGTH 6
#define TICKETS 14      /* nothing is sent again so often without a reason */

#define NONE 255        /* no channel */
#define ALL 255         /* a mark: whatever ticket */

mtype = { RESPONSE, LAST, SKIPPED, LOST, RECHECK };

c_decl {
    static unsigned char setting(const char *name, int otherwise) {
        const char *value = getenv(name);
        return value ? atoi(value) : otherwise;
    }
};

/* ----- What a run is about; script/model sets it. */

byte senders, requests, instances;
/* How often something may happen that no process of ours decides. */
byte kills, stops, agentKills, childKills, deploys, leaves, looks;
/* Nobody dies or is stopped before the application has begun with something. */
bool late;
/* A claim's two words are written and read one by one. */
bool torn;
/* How many messages a reply channel holds. */
byte room;

/* One rule that is broken on purpose: the model has to find out. */
byte mutant;
#define CLAIMS_BEFORE_MARK 1
#define MARK_BEFORE_CLAIM 2
#define LOOK_READS_CLAIM_TWICE 3
#define CLEAR_BEFORE_LAST_MESSAGE 4
#define SAME_TICKET_AGAIN 5
#define UNCLAIMED_IS_NOT_BEGUN 6
#define CHANNEL_NOT_READ 7
#define DEATH_NOT_TOLD 8
#define CLEAR_BEFORE_LOST 9
#define NEVER_LOOK 10
#define ANY_TICKET 11
#define REPEAT_ANYTHING 12
#define REPEAT_FOR_EVER 13
#define END_OF_FILE_IS_NOT_BEGUN 14
#define DEATH_NOT_MARKED 15
#define CLEAR_UNDELIVERED 16
#define VANISHED_NOT_WITHDRAWN 17
#define LOOK_FOR_EVER 18

/* ----- What processes share */

/* RequestQueue: channel, ticket, and, for the assertions, which request it is. */
chan queue[LINES] = [QUEUE_LENGTH] of { byte, byte, byte };
bool shutDown[LINES];

/* ReplyChannel: type, ticket, and, for the assertions, of which request and by which instance (`origin`). */
chan reply[CHANNELS] = [CHANNEL_LENGTH] of { mtype, byte, byte };
byte channels;              /* how many there were */
byte shut;                  /* bits: the child has shut it down, or is dead */
byte registered;            /* bits: the living agent has it */
byte channelEpoch[CHANNELS];
#define origin(request, i) ((request) * 8 + (i) + 1)

/* Claims, with a cell for each instance. */
typedef Cell {
    byte channel;           /* plus one */
    byte ticket;
    bool died               /* ClaimsLayout::DIED */
};
Cell claims[INSTANCES];
/* SenderMemory */
byte mark[CHANNELS];

/* InFlightTable: one entry for each sender. Ticket 0: free. */
byte boardChannel[SENDERS];
byte boardTicket[SENDERS];

/* GenerationTable, one of each agent. */
byte published[3];

/* ----- Who lives */

bool childAlive[SENDERS], childDone[SENDERS], childForgotten[SENDERS];
byte childChannels[SENDERS];    /* bits: those that it has opened */

bool started[INSTANCES], alive[INSTANCES], stopped[INSTANCES];
bool told[INSTANCES];           /* FINISH, or the control socket's end */
bool deposited[INSTANCES];
bool dealtWith[INSTANCES];      /* its death */
byte instanceEpoch[INSTANCES], instanceLine[INSTANCES];
byte nextLine[INSTANCES], nextEpoch[INSTANCES];  /* of the agent that has taken it over, until it gets there */
bool orphan[INSTANCES];           /* by an agent that has died, for the next one */
byte known[INSTANCES];          /* bits: channels whose end it has */
byte handChannel[INSTANCES], handTicket[INSTANCES];     /* what it has taken; ticket 0: nothing */

bool agentAlive;
byte agentEpoch;
byte lines;                     /* how many there were */

/* ----- For the assertions */

bool mayRepeat[SENDERS * REQUESTS];
byte runs[SENDERS * REQUESTS];
/* Bits for tickets: the child has found that it was not begun, or is lost. It must not begin after that. */
short over[CHANNELS];

/* ----- Words */

#define bit(n) (1 << (n))
#define running(i) (alive[i] && !stopped[i])
#define holds(i, c, t) (claims[i].channel == (c) + 1 && claims[i].ticket == (t) && !claims[i].died)
#define diedWith(i, c, t) (claims[i].channel == (c) + 1 && claims[i].ticket == (t) && claims[i].died)
#define took(i, c, t) (running(i) && handTicket[i] == (t) && handChannel[i] == (c))
#define works(i, c, t) (alive[i] && handTicket[i] == (t) && handChannel[i] == (c))
#define hasEnd(i, c) (alive[i] && (known[i] & bit(c)))
#define anyHolds(c, t) (holds(0, c, t) || holds(1, c, t) || holds(2, c, t))
#define anyDiedWith(c, t) (diedWith(0, c, t) || diedWith(1, c, t) || diedWith(2, c, t))
#define anyTook(c, t) (took(0, c, t) || took(1, c, t) || took(2, c, t))
#define anyWorks(c, t) (works(0, c, t) || works(1, c, t) || works(2, c, t))
#define anyHasEnd(c) (hasEnd(0, c) || hasEnd(1, c) || hasEnd(2, c))
#define endOfFile(c) (!(agentAlive && (registered & bit(c))) && !anyHasEnd(c))
#define hasRoom(c) (len(reply[c]) < room)

#include "child.pml"
#include "instance.pml"
#include "agent.pml"
#include "faults.pml"
