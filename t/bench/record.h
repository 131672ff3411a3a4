/*
 * record: a line of what sink logs: "TIME TEXT\n", the time in microseconds
 * with 16 digits.
 */
#ifndef RECORD_H
#define RECORD_H

#define RECORD 48
#define RECORD_TEXT 30

#endif
