"""The course of the inquiry: what is asked, what is open, what stops it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notary import questions
from notary.questions import Answer
from notary.rules import rules

T4 = rules().matter("guarantor-consent")
ALONE, COMPANY = {"capacity": "guarantor"}, {"capacity": "shareholder"}


def good(question):
    if question.kind == "text":
        return Answer("说得清楚")
    return Answer("no" if "yes" in question.blocks else "yes")


def test_a_guarantor_and_a_shareholder_are_asked_different_things():
    alone = {q.key for q in questions.asked(T4.questions, ALONE)}
    company = {q.key for q in questions.asked(T4.questions, COMPANY)}

    assert "liability" in alone - company
    assert {"company-liability", "authority"} <= company - alone


@pytest.mark.req("C16")
def test_the_questions_come_one_after_another_until_none_is_open():
    answers = {}
    while question := questions.following(T4.questions, ALONE, answers):
        answers[question.key] = good(question)

    assert not questions.still_open(T4.questions, ALONE, answers)
    assert not questions.blocking(T4.questions, ALONE, answers)
    assert next(iter(answers)) == "who-are-you"
    assert len(answers) == 12


@given(st.sets(st.sampled_from([q.key for q in T4.questions])))
def test_open_and_answered_are_the_whole(keys):
    answers = {q.key: good(q) for q in T4.questions if q.key in keys}
    asked = questions.asked(T4.questions, ALONE)
    open_ones = questions.still_open(T4.questions, ALONE, answers)

    assert {q.key for q in asked} - keys == {q.key for q in open_ones}
    assert questions.following(T4.questions, ALONE, answers) == (open_ones[0] if open_ones else None)


@pytest.mark.parametrize(("key", "text"), [("liability", "no"), ("free-will", "no"), ("pressure", "yes")])
def test_a_contrary_answer_stops_the_signing(key, text):
    assert [key] == [q.key for q in questions.blocking(T4.questions, ALONE, {key: Answer(text)})]


def test_leaving_out_a_question_that_can_block_blocks():
    assert questions.blocking(T4.questions, ALONE, {"liability": Answer(omitted="没有时间")})
    assert not questions.blocking(T4.questions, ALONE, {"health": Answer(omitted="刚才已经说过")})


def test_an_alert_is_shown_and_stops_nothing():
    import dataclasses

    asked = [dataclasses.replace(q, blocks=(), alerts=("no",)) for q in T4.questions if q.key == "free-will"]

    assert questions.alerting(asked, ALONE, {"free-will": Answer("no")})
    assert not questions.blocking(asked, ALONE, {"free-will": Answer("no")})


@pytest.mark.parametrize(("text", "omitted"), [("", ""), (" ", ""), ("yes", "reason")])
def test_an_answer_is_given_or_left_out_with_a_reason(text, omitted):
    with pytest.raises(ValueError):
        Answer(text, omitted)


def test_yes_and_no_are_the_only_answers_to_a_yes_or_no_question():
    by_key = {q.key: q for q in T4.questions}

    assert questions.fits(by_key["liability"], "yes")
    assert not questions.fits(by_key["liability"], "maybe")
    assert questions.fits(by_key["loan"], "四十八万")
    assert not questions.fits(by_key["loan"], "  ")


@pytest.mark.req("A08")
@pytest.mark.parametrize("given_answers", [{"interest": "no"}, {}, {"interest": "perhaps"}])
def test_a_contrary_or_missing_declaration_bars_the_application(given_answers):
    yes = {d.key: "yes" for d in T4.declarations}

    assert not questions.contrary(T4.declarations, yes)
    rest = {k: v for k, v in yes.items() if k != "interest"} | given_answers
    assert [d.key for d in questions.contrary(T4.declarations, rest)] == ["interest"]
