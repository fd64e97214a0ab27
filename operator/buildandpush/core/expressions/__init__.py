"""The expressions of pipelines, `<+…>`, as a small language of its own, so that nothing of a spec is ever run as code.

A text holds expressions between other words, such as `v<+pipeline.sequenceId>-<+codebase.branch>`. A condition is one
expression without the brackets, such as `<+pipeline.sequenceId> > 1`. The language is the part of JEXL that steps use:
https://commons.apache.org/proper/commons-jexl/reference/syntax.html

    text        := { words | bracket }
    bracket     := "<+" expression ">"
    condition   := expression
    expression  := choice [ "?" expression ":" expression ]
    choice      := both { ( "||" | "or" ) both }
    both        := negation { ( "&&" | "and" ) negation }
    negation    := ( "!" | "not" ) negation | comparison
    comparison  := sum [ sign sum ]
    sign        := "==" | "eq" | "!=" | "ne" | "<=" | "le" | ">=" | "ge" | "<" | "lt" | ">" | "gt"
                 | "=~" | "!~" | "=^" | "!^" | "=$" | "!$"
    sum         := operand { ( "+" | "-" ) operand }
    operand     := [ "-" ] value { "." name [ "(" [ expression { "," expression } ] ")" ] | "." bracket
                 | "[" expression "]" }
    value       := "(" expression ")" | bracket | number | "text" | 'text' | true | false | null | name

Directly inside of a bracket `>` always ends it. There a comparison has the word `gt`, or stands in parentheses.
`=~` takes a pattern of RE2 that the whole text has to match; `=^` is "begins with", `=$` is "ends with".
A text that is written as a number equals that number, since variables of a pipeline are texts.
"""
