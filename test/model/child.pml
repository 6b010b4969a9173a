/*
 * An httpd child: ext/common/exchange (Exchange, RequestProgress, RequestSender, Withdrawal, QueueCache), for one request after
 * the other.
 */

/* ExchangeState. The model does not keep the states of an exchange that is over: it goes on with the next request. */
#define UNSENT 0
#define QUEUED 1
#define BEGUN 2
#define ANSWERED 3
#define waits (state <= QUEUED)
/* RequestProgress::noteBegun() */
#define noteBegun() state = (state < BEGUN -> BEGUN : state)

#define queueIsOld (published[epoch] != line || shutDown[line])
#define mayBeRepeated ((retryable || mutant == REPEAT_ANYTHING) && (!retried || mutant == REPEAT_FOR_EVER) && state != ANSWERED && !left)
/* A second passes by itself only where nothing else goes on: an instance that runs will claim what it has taken. */
#define lookHelps (!anyHolds(ch, ticket) && len(reply[ch]) == 0 && \
    (!waits || (!anyTook(ch, ticket) && (queueIsOld || len(queue[line]) == 0))))

/* Withdrawal::held() and diedWith(). A ticket is only ever in one cell, so all at once shows no less than one by one. */
#define readClaims() held = anyHolds(ch, ticket); dead = anyDiedWith(ch, ticket)

/* The same, word by word, of held(). */
inline readTornClaims() {
    do
    :: torn && cell < INSTANCES ->
        atomic { seen = (claims[cell].channel == ch + 1) }
        atomic { held = held || (seen && claims[cell].ticket == ticket); seen = false; cell++ }
    :: else -> cell = 0; break
    od
}

/* Nothing of this ticket may begin from now on. */
#define conclude() over[ch] = over[ch] | bit(ticket)

/* InFlightTable::done(), SenderMemory::remove() */
#define dequeued() boardChannel[s] = 0; boardTicket[s] = 0

/* ReplyChannel::shutDown(), QueueHost::giveBack(): UNREGISTER */
inline dropChannel() {
    shut = shut | bit(ch);
    registered = registered & ~bit(ch);
    do
    :: len(reply[ch]) > 0 -> reply[ch]?_, _, _
    :: else -> break
    od;
    ch = NONE;
    ticket = 0
}

proctype Child(byte s) {
    byte number, request;               /* which request */
    byte ch = NONE, ticket;             /* channel_, ticket_ */
    byte line, epoch = 1, unusable;     /* link_ */
    byte resends, from, cell, t, by;
    byte state;                         /* state_ */
    bool retryable, retried, left, held, dead, seen, leaving, vanished;
    mtype type;

    {
        childAlive[s];
        goto next;

finished: /* COMPLETE or ENDED, and RequestProgress::~RequestProgress(): the channel is kept, where there is one */
        atomic {
            dequeued();
next:
            state = UNSENT; retried = false; left = false; leaving = false; vanished = false; resends = 0; from = 0;
            if
            :: number == requests -> childDone[s] = true; goto end
            :: else -> request = s * REQUESTS + number; number++
            fi;
            if
            :: retryable = true
            :: retryable = false
            fi;
            mayRepeat[request] = retryable;

relink:     /* UNSENT. RequestSender::relink(): QueueCache::link() */
            if
            :: line != 0 && line != unusable && published[epoch] == line
            :: else ->
                agentAlive && published[agentEpoch] != 0;   /* ATTACH waits for an agent */
                epoch = agentEpoch;
                line = published[epoch]
            fi;
            unusable = 0
        }
        atomic {                                            /* QueueCache::takeChannel() */
            if
            :: ch != NONE && channelEpoch[ch] == epoch
            :: else ->
                if
                :: ch != NONE -> dropChannel()
                :: else
                fi;
                agentAlive;                                 /* REGISTER */
                if
                :: agentEpoch != epoch -> line = 0; goto relink     /* QueueCache::forget() */
                :: else
                fi;
                assert(channels < CHANNELS);
                ch = channels;
                channels++;
                channelEpoch[ch] = epoch;
                registered = registered | bit(ch);
                childChannels[s] = childChannels[s] | bit(ch)
            fi;

            /* RequestSender::send(): InFlightTable::sending() */
            if
            :: mutant == SAME_TICKET_AGAIN && resends > 0 && ticket > 0
            :: else -> ticket++
            fi;
            assert(ticket < TICKETS);
            boardChannel[s] = ch;
            boardTicket[s] = ticket
        }
        atomic {                                            /* RequestQueue::send() */
            if
            :: shutDown[line] -> dequeued(); unusable = line; goto relink
            :: else -> assert(len(queue[line]) < QUEUE_LENGTH); queue[line]!ch, ticket, request; state = QUEUED
            fi
        }

wait:   /* QUEUED, BEGUN or ANSWERED. Exchange::waitOnce() */
        atomic {
            held = false; dead = false; leaving = false; vanished = false;
            if
            :: len(reply[ch]) > 0 -> reply[ch]?type, t, by; goto message
            :: len(reply[ch]) == 0 && endOfFile(ch) -> goto ended
            :: (lookHelps || looks > 0) && mutant != NEVER_LOOK ->
                if
                :: lookHelps || mutant == LOOK_FOR_EVER
                :: else -> looks--
                fi
                /* on to look() */
            :: leaves > 0 && waits && !left -> leaves--; left = true; leaving = true; goto withdraw
            :: leaves > 0 -> leaves--; goto abandon
            fi
        }

        /* RequestProgress::look() */
        readTornClaims();
        atomic {
            held = (torn && held) || (!torn && anyHolds(ch, ticket));
            if
            :: held -> noteBegun(); goto wait
            :: else
            fi
        }
        atomic {
            readClaims();
            held = held && mutant == LOOK_READS_CLAIM_TWICE;
            if
            :: !waits || dead || held
            :: else ->
                if
                :: !queueIsOld && len(queue[line]) > 0 -> goto wait
                :: else -> goto withdraw
                fi
            fi
        }
        atomic {                                            /* RequestProgress::lookForEnd() */
            if
            :: len(reply[ch]) > 0 -> reply[ch]?type, t, by; goto message
            :: len(reply[ch]) == 0 && endOfFile(ch) -> goto ended
            :: len(reply[ch]) == 0 && !endOfFile(ch) && (dead || held || mutant == VANISHED_NOT_WITHDRAWN) -> goto lost
            :: else -> vanished = true; goto withdraw
            fi
        }

message: /* RequestProgress::message() */
        atomic {
            if
            :: t != ticket && mutant != ANY_TICKET -> goto wait
            :: else
            fi;
            if
            :: type == RESPONSE ->
                assert(by / 8 == request && state != ANSWERED);
                state = ANSWERED; from = by; goto wait
            :: type == LAST -> assert(state == ANSWERED && from == by); goto finished     /* complete() */
            :: type == SKIPPED -> assert(state != ANSWERED); goto resend
            :: type == LOST -> goto lost
            :: type == RECHECK && !waits -> goto wait
            :: else
            fi;

withdraw:   /* Withdrawal::withdraw(): the mark, a full barrier, the claims, the channel */
            if
            :: mutant == CLAIMS_BEFORE_MARK -> readClaims()
            :: mutant == UNCLAIMED_IS_NOT_BEGUN
            :: else -> mark[ch] = ticket
            fi
        }
        readTornClaims();
        atomic {
            if
            :: mutant == CLAIMS_BEFORE_MARK -> mark[ch] = ticket
            :: torn -> dead = anyDiedWith(ch, ticket)
            :: else -> readClaims()
            fi;
            if
            :: (held || dead) && leaving -> goto abandon   /* RequestProgress::clientLeft() */
            :: (held || dead) && !leaving -> noteBegun(); goto wait
            :: else
            fi
        }
        atomic {
            do
            :: len(reply[ch]) > 0 && mutant != CHANNEL_NOT_READ ->
                reply[ch]?type, t, by;
                if
                :: t == ticket && type != RECHECK -> goto message
                :: else
                fi
            :: else -> break
            od;
            if
            :: endOfFile(ch) -> goto ended
            :: else
            fi;
            conclude();
            if
            :: leaving -> goto finished
            :: vanished -> goto lost
            :: else
            fi;

resend:     /* RequestProgress::resend() */
            dequeued();
            if
            :: left -> goto finished
            :: else
            fi;
            state = UNSENT;
            resends++;
            assert(resends < TICKETS);
            goto relink
        }

lost:   /* RequestProgress::endAsLost() */
        atomic {
            /* Nobody is told that his request is lost while an instance is at it. (A torn claim may look like that: README.md.) */
            assert(torn || !anyWorks(ch, ticket));
            conclude();
            if
            :: mayBeRepeated -> retried = true; goto resend
            :: else -> goto finished
            fi
        }

ended:  /* RequestProgress::channelEnded() */
        atomic { mark[ch] = ticket }
        atomic {
            readClaims();
            conclude();
            held = (!waits || held || dead) && mutant != END_OF_FILE_IS_NOT_BEGUN;
            dequeued();
            dropChannel();
            if
            :: held && !mayBeRepeated -> goto next
            :: held && mayBeRepeated -> retried = true
            :: else
            fi;
            goto resend
        }

abandon: /* RequestProgress::~RequestProgress() before the exchange is over */
        atomic { mark[ch] = ticket }
        atomic { dequeued(); dropChannel(); goto next }
    } unless { !childAlive[s] }
end:
    skip
}
