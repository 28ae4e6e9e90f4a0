"""Whether letters were drawn by chance: words of English and of pinyin use few of the pairs that chance draws."""

from itertools import pairwise
from string import ascii_lowercase

# How rare a pair is, from 0 to 9: -1.2 ln of the share that "ab" has of all pairs that begin with "a", in 60,000
# English and 20,000 Chinese words (in pinyin) of the `wordfreq` lists. A row for each first letter, in it one sign for
# each second. The same letter twice is never rare: people write "pleeease" and "hhhhhh".
_RARENESS = (
    "24346546375241347232555656"
    "22762996269277289246288959"
    "29282981393398297353399959"
    "26621646178456279337365959"
    "35422556466342546223655456"
    "28892289299378299354299959"
    "25442523346354365335295434"
    "17871792298656289454296949"
    "24343446256341356423546554"
    "39893999029999389999299989"
    "26761684282354369426385949"
    "26641667196257269744357939"
    "13591798299626239848397959"
    "35333515355552466632556555"
    "54446546565331247233244555"
    "27882783298378229243398959"
    "68999999099899992999088999"
    "25441646285544258233456948"
    "36372671295445336722385959"
    "26581683199467279332396947"
    "24443546356332346223276554"
    "29980987199799399679629768"
    "15751683296463289446392969"
    "47494795099789538993289269"
    "25453667197443249434275826"
    "28992990297678399988398962"
)
_OF_PAIR = {
    first + second: int(_RARENESS[26 * row + column])
    for row, first in enumerate(ascii_lowercase)
    for column, second in enumerate(ascii_lowercase)
}
# The mean of its pairs from which no word is taken for one: 1 of 80 words of 10 to 15 letters in those lists has it
# ("hydrodynamic"), and of runs of chance 984 of 1,000 with 10 letters, 991 with 12.
TOO_RARE = 3.3


def drawn_by_chance(text: str) -> bool:
    """Whether these letters, in one run or in several with anything between, look like no words."""
    rareness = [_OF_PAIR[pair] for pair in map("".join, pairwise(text.lower())) if pair in _OF_PAIR]
    return bool(rareness) and sum(rareness) >= TOO_RARE * len(rareness)
