"""Fifty questions with one plain answer each, for a small instruct model: does it still answer?

An answer is right where one of the accepted words stands in it, as a word of its own. Nothing
here is a test of knowledge: a base of 135M parameters answers many of them, and what counts is
how many it still answers after it has learnt a style.
"""

from __future__ import annotations

import re

QUESTIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("What is the capital of France?", ("paris",)),
    ("What is the capital of Japan?", ("tokyo",)),
    ("What is the capital of Italy?", ("rome",)),
    ("What is the capital of Germany?", ("berlin",)),
    ("What is the capital of Spain?", ("madrid",)),
    ("What is the capital of Russia?", ("moscow",)),
    ("What is the capital of Egypt?", ("cairo",)),
    ("What is the capital of China?", ("beijing",)),
    ("What is the capital of England?", ("london",)),
    ("On which continent is Kenya?", ("africa",)),
    ("On which continent is Brazil?", ("south america",)),
    ("In which country is the Eiffel Tower?", ("france",)),
    ("In which country are the pyramids of Giza?", ("egypt",)),
    ("What is 2 + 2?", ("4", "four")),
    ("What is 3 + 4?", ("7", "seven")),
    ("What is 5 + 5?", ("10", "ten")),
    ("What is 10 - 3?", ("7", "seven")),
    ("What is 2 times 3?", ("6", "six")),
    ("What is 5 times 2?", ("10", "ten")),
    ("What is half of 10?", ("5", "five")),
    ("Which number comes next: 1, 2, 3, 4?", ("5", "five")),
    ("Which number comes next: 2, 4, 6, 8?", ("10", "ten")),
    ("Which number comes next: 10, 20, 30, 40?", ("50", "fifty")),
    ("How many days are in a week?", ("7", "seven")),
    ("How many months are in a year?", ("12", "twelve")),
    ("How many hours are in a day?", ("24", "twenty-four")),
    ("How many minutes are in an hour?", ("60", "sixty")),
    ("How many legs does a spider have?", ("8", "eight")),
    ("How many legs does a dog have?", ("4", "four")),
    ("How many sides does a triangle have?", ("3", "three")),
    ("What is the opposite of hot?", ("cold",)),
    ("What is the opposite of big?", ("small", "little")),
    ("What is the opposite of up?", ("down",)),
    ("What is the opposite of day?", ("night",)),
    ("What is the opposite of happy?", ("sad", "unhappy")),
    ("What is the opposite of fast?", ("slow",)),
    ("What is the opposite of black?", ("white",)),
    ("What colour is the sky on a clear day?", ("blue",)),
    ("What colour is grass?", ("green",)),
    ("What colour is snow?", ("white",)),
    ("What colour do you get by mixing red and white?", ("pink",)),
    ("Which planet do we live on?", ("earth",)),
    ("Which planet is the largest in the solar system?", ("jupiter",)),
    ("What is the chemical formula of water?", ("h2o",)),
    ("Which gas do humans need to breathe?", ("oxygen",)),
    ("What does a cow drink, water or petrol?", ("water",)),
    ("Which animal says meow?", ("cat", "cats")),
    ("Which day comes after Monday?", ("tuesday",)),
    ("Which month comes after January?", ("february",)),
    ("Who wrote the play Romeo and Juliet?", ("shakespeare",)),
)


def is_right(answer: str, accepted: tuple[str, ...]) -> bool:
    """Whether one of `accepted` stands in the answer."""
    words = "|".join(map(re.escape, accepted))
    return re.search(rf"(?<!\w)(?:{words})(?!\w)", answer.lower().replace("₂", "2")) is not None
