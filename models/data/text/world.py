"""What pico is taught about the world: few enough items that a small model can know them all.

Job: the tables, and nothing else. Ignorance: how they are asked for (facts does that).
Chosen by hand from the open corpus's word lists (`words/*.json`: dariusk/corpora, CC0; rhymes checked with CMUdict) and common knowledge.
"""

from __future__ import annotations

CAPITALS = {
    "France": "Paris", "Germany": "Berlin", "Italy": "Rome", "Spain": "Madrid", "Portugal": "Lisbon", "England": "London", "Ireland": "Dublin",
    "Norway": "Oslo", "Sweden": "Stockholm", "Finland": "Helsinki", "Denmark": "Copenhagen", "Poland": "Warsaw", "Austria": "Vienna", "Hungary": "Budapest",
    "Greece": "Athens", "Russia": "Moscow", "Turkey": "Ankara", "Egypt": "Cairo", "Kenya": "Nairobi", "Ghana": "Accra", "India": "New Delhi", "China": "Beijing",
    "Japan": "Tokyo", "Thailand": "Bangkok", "Australia": "Canberra", "Canada": "Ottawa", "Mexico": "Mexico City", "Cuba": "Havana", "Brazil": "Brasilia",
    "Argentina": "Buenos Aires", "Peru": "Lima", "Chile": "Santiago", "the United States": "Washington", "Belgium": "Brussels", "Switzerland": "Bern",
    "the Netherlands": "Amsterdam", "Scotland": "Edinburgh", "Ukraine": "Kyiv", "South Korea": "Seoul", "Vietnam": "Hanoi",
}  # fmt: skip
CONTINENTS = {
    "Europe": ("France", "Germany", "Italy", "Spain", "Portugal", "England", "Norway", "Sweden", "Poland", "Greece", "Ireland", "Austria"),
    "Africa": ("Egypt", "Kenya", "Ghana", "Nigeria", "Morocco", "Ethiopia"), "Asia": ("India", "China", "Japan", "Thailand", "Vietnam", "South Korea"),
    "South America": ("Brazil", "Peru", "Chile", "Argentina"), "North America": ("Canada", "Mexico", "Cuba", "the United States"),
}  # fmt: skip
UNKNOWN_COUNTRIES = (
    "Albania", "Angola", "Armenia", "Bahrain", "Bhutan", "Bolivia", "Botswana", "Brunei", "Burundi", "Cameroon", "Chad", "Cyprus", "Djibouti", "Eritrea", "Estonia",
    "Fiji", "Gabon", "Gambia", "Georgia", "Guinea", "Guyana", "Haiti", "Honduras", "Iceland", "Jamaica", "Jordan", "Kuwait", "Laos", "Latvia", "Lebanon", "Lesotho",
    "Liberia", "Malawi", "Mali", "Malta", "Moldova", "Mongolia", "Namibia", "Nepal", "Niger", "Oman", "Palau", "Panama", "Qatar", "Rwanda", "Samoa", "Senegal", "Serbia",
    "Slovenia", "Sudan", "Syria", "Togo", "Tonga", "Tunisia", "Tuvalu", "Uganda", "Uruguay", "Vanuatu", "Yemen", "Zambia",
)  # fmt: skip
COLOURS = {
    "the sky": "blue", "grass": "green", "snow": "white", "coal": "black", "a banana": "yellow", "blood": "red", "a carrot": "orange", "chocolate": "brown",
    "an elephant": "gray", "a leaf": "green", "the sun": "yellow", "a tomato": "red", "a pig": "pink", "milk": "white", "a lemon": "yellow", "a strawberry": "red",
    "the night": "black", "a frog": "green", "the sea": "blue", "a polar bear": "white", "a pumpkin": "orange", "a cucumber": "green", "a crow": "black", "a flamingo": "pink",
    "salt": "white", "a cherry": "red", "a fire engine": "red", "wood": "brown", "a plum": "purple", "an orange": "orange", "a swan": "white", "gold": "yellow",
}  # fmt: skip
SAYS = {
    "dog": "woof", "cat": "meow", "cow": "moo", "duck": "quack", "sheep": "baa", "bee": "buzz", "lion": "roar", "bird": "tweet", "owl": "hoot", "pig": "oink",
    "horse": "neigh", "frog": "ribbit", "mouse": "squeak", "snake": "hiss", "wolf": "howl", "hen": "cluck", "crow": "caw", "goat": "bleat", "donkey": "hee-haw", "turkey": "gobble",
}  # fmt: skip
YOUNG = {
    "dog": "puppy", "cat": "kitten", "cow": "calf", "sheep": "lamb", "horse": "foal", "hen": "chick", "duck": "duckling", "lion": "cub", "goose": "gosling",
    "frog": "tadpole", "kangaroo": "joey", "goat": "kid", "bear": "cub", "swan": "cygnet", "deer": "fawn", "pig": "piglet", "owl": "owlet",
}  # fmt: skip
LEGS = {
    "dog": "four", "cat": "four", "bird": "two", "spider": "eight", "ant": "six", "fish": "no", "snake": "no", "horse": "four", "hen": "two", "bee": "six", "cow": "four",
    "duck": "two", "fly": "six", "elephant": "four", "chair": "four", "beetle": "six", "worm": "no", "mouse": "four",
}  # fmt: skip
LIVES = {
    "fish": "in the water", "bird": "in a nest", "bee": "in a hive", "spider": "in a web", "rabbit": "in a burrow", "cow": "on a farm", "penguin": "in the cold south",
    "camel": "in the desert", "monkey": "in the forest", "whale": "in the sea", "horse": "in a stable", "polar bear": "in the Arctic", "fox": "in a den", "lion": "in Africa",
}  # fmt: skip
CAN = {
    "fly": ("bird", "bee", "butterfly", "owl", "duck", "eagle", "bat", "fly"), "swim": ("fish", "duck", "whale", "frog", "dolphin", "shark", "seal", "swan"),
}  # fmt: skip
CANNOT = {
    "fly": ("dog", "fish", "cow", "horse", "penguin", "elephant", "snake", "cat"), "swim": ("chair", "stone", "spoon", "car", "cup", "key", "table", "hammer"),
}  # fmt: skip
OPPOSITES = {
    "big": "small", "hot": "cold", "up": "down", "day": "night", "left": "right", "happy": "sad", "fast": "slow", "old": "young", "open": "closed", "black": "white",
    "above": "below", "full": "empty", "hard": "soft", "long": "short", "early": "late", "good": "bad", "wet": "dry", "rich": "poor", "high": "low", "strong": "weak",
    "light": "dark", "clean": "dirty", "loud": "quiet", "near": "far", "first": "last", "thick": "thin", "yes": "no", "in": "out", "on": "off",
    "true": "false", "love": "hate", "win": "lose", "push": "pull", "buy": "sell", "start": "stop", "always": "never", "more": "less", "inside": "outside", "before": "after",
    "front": "back", "top": "bottom", "north": "south", "east": "west", "summer": "winter", "friend": "enemy", "question": "answer", "war": "peace", "wide": "narrow",
    "awake": "asleep", "brave": "afraid", "deep": "shallow", "sweet": "bitter", "laugh": "cry", "give": "take", "come": "go", "alive": "dead", "begin": "end",
}  # fmt: skip
CATEGORIES = {
    "fruit": ("apple", "banana", "cherry", "lemon", "pear", "plum", "grape", "peach", "mango", "orange", "strawberry", "melon"),
    "vegetable": ("carrot", "potato", "onion", "cabbage", "cucumber", "pea", "bean", "leek", "turnip", "beet"),
    "animal": ("dog", "cat", "horse", "cow", "lion", "elephant", "rabbit", "mouse", "fox", "bear", "goat", "wolf"),
    "bird": ("owl", "eagle", "duck", "crow", "swan", "penguin", "parrot", "robin"),
    "fish": ("shark", "salmon", "trout", "tuna", "herring", "cod"),
    "colour": ("red", "blue", "green", "yellow", "purple", "pink", "brown", "white"),
    "tool": ("hammer", "saw", "drill", "spade", "rake", "screwdriver", "axe"),
    "musical instrument": ("piano", "guitar", "violin", "drum", "flute", "trumpet", "harp"),
    "sport": ("tennis", "football", "hockey", "golf", "rugby", "basketball"),
    "drink": ("milk", "tea", "coffee", "juice", "lemonade", "water"),
    "piece of clothing": ("shirt", "coat", "hat", "dress", "sock", "skirt", "jacket"),
    "flower": ("rose", "tulip", "daisy", "lily", "daffodil", "sunflower"),
    "vehicle": ("car", "bus", "train", "truck", "bicycle", "ship"),
    "piece of furniture": ("chair", "table", "bed", "desk", "sofa", "shelf"),
    "shape": ("circle", "square", "triangle", "rectangle", "diamond", "oval"),
    "number": ("one", "two", "three", "seven", "ten", "twelve"),
    "planet": ("Mars", "Venus", "Jupiter", "Saturn", "Mercury", "Neptune"),
    "month": ("January", "March", "May", "June", "August", "October"),
}  # fmt: skip
MASS = frozenset(["milk", "tea", "coffee", "juice", "lemonade", "water", "tennis", "football", "hockey", "golf", "rugby", "basketball", "red", "blue", "green", "yellow", "purple", "pink", "brown", "white", "one", "two", "three", "seven", "ten", "twelve", "Mars", "Venus", "Jupiter", "Saturn", "Mercury", "Neptune", "January", "March", "May", "June", "August", "October"])  # fmt: skip
PLURALS = {
    "cat": "cats", "dog": "dogs", "apple": "apples", "house": "houses", "tree": "trees", "book": "books", "star": "stars", "bird": "birds", "car": "cars", "hat": "hats",
    "box": "boxes", "bus": "buses", "glass": "glasses", "dish": "dishes", "fox": "foxes", "watch": "watches", "peach": "peaches", "brush": "brushes", "dress": "dresses",
    "baby": "babies", "city": "cities", "story": "stories", "fly": "flies", "lady": "ladies", "berry": "berries", "party": "parties", "boy": "boys", "day": "days", "key": "keys", "toy": "toys",
    "leaf": "leaves", "wolf": "wolves", "knife": "knives", "life": "lives", "wife": "wives", "shelf": "shelves", "child": "children", "man": "men", "woman": "women",
    "mouse": "mice", "foot": "feet", "tooth": "teeth", "goose": "geese", "sheep": "sheep", "fish": "fish", "person": "people", "ox": "oxen", "potato": "potatoes", "tomato": "tomatoes", "hero": "heroes",
}  # fmt: skip
PASTS = {
    "walk": "walked", "play": "played", "jump": "jumped", "look": "looked", "help": "helped", "talk": "talked", "paint": "painted", "cook": "cooked", "open": "opened", "wash": "washed",
    "like": "liked", "dance": "danced", "love": "loved", "live": "lived", "move": "moved", "stop": "stopped", "carry": "carried", "cry": "cried", "try": "tried", "plan": "planned",
    "go": "went", "eat": "ate", "see": "saw", "run": "ran", "come": "came", "take": "took", "give": "gave", "make": "made", "find": "found", "think": "thought", "say": "said",
    "know": "knew", "write": "wrote", "speak": "spoke", "sing": "sang", "swim": "swam", "drink": "drank", "sleep": "slept", "drive": "drove", "ride": "rode", "fly": "flew",
    "draw": "drew", "grow": "grew", "buy": "bought", "bring": "brought", "catch": "caught", "teach": "taught", "fall": "fell", "feel": "felt", "keep": "kept", "leave": "left",
    "lose": "lost", "meet": "met", "sit": "sat", "stand": "stood", "tell": "told", "win": "won", "break": "broke", "begin": "began", "build": "built",
}  # fmt: skip
DEGREES = {
    "big": ("bigger", "biggest"), "small": ("smaller", "smallest"), "fast": ("faster", "fastest"), "tall": ("taller", "tallest"), "good": ("better", "best"), "bad": ("worse", "worst"),
    "happy": ("happier", "happiest"), "old": ("older", "oldest"), "young": ("younger", "youngest"), "hot": ("hotter", "hottest"), "cold": ("colder", "coldest"), "long": ("longer", "longest"),
    "nice": ("nicer", "nicest"), "easy": ("easier", "easiest"), "strong": ("stronger", "strongest"), "high": ("higher", "highest"), "warm": ("warmer", "warmest"), "funny": ("funnier", "funniest"),
}  # fmt: skip
RHYMES = (
    ("cat", "hat", "bat", "rat", "mat"), ("dog", "frog", "log", "fog"), ("tree", "bee", "sea", "key", "knee"), ("house", "mouse"), ("star", "car", "jar", "far"), ("moon", "spoon", "soon", "noon"),
    ("cake", "lake", "snake", "make"), ("night", "light", "kite", "right", "white"), ("rain", "train", "plane", "chain"), ("boat", "goat", "coat"), ("bed", "red", "head", "bread"),
    ("ring", "king", "sing", "wing"), ("fish", "dish", "wish"), ("ball", "wall", "tall", "fall"), ("day", "play", "say", "way"), ("box", "fox", "socks"), ("bear", "chair", "hair", "pear"),
    ("blue", "shoe", "two", "new"), ("sun", "run", "fun", "one"), ("book", "look", "cook"), ("ship", "trip", "lip"), ("nose", "rose", "toes"), ("hill", "mill", "still"), ("hen", "pen", "ten", "men"),
)  # fmt: skip
WEEK = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December")  # fmt: skip
SEASONS = ("spring", "summer", "autumn", "winter")
LETTERS = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
UNITS = {
    ("seconds", "a minute"): "60", ("minutes", "an hour"): "60", ("hours", "a day"): "24", ("days", "a week"): "7", ("months", "a year"): "12", ("days", "a year"): "365",
    ("weeks", "a year"): "52", ("centimeters", "a meter"): "100", ("meters", "a kilometer"): "1000", ("grams", "a kilogram"): "1000", ("years", "a century"): "100", ("items", "a dozen"): "12",
    ("cents", "a dollar"): "100", ("millimeters", "a centimeter"): "10", ("seasons", "a year"): "4", ("years", "a decade"): "10", ("letters", "the alphabet"): "26", ("inches", "a foot"): "12",
    ("minutes", "half an hour"): "30", ("fingers", "one hand"): "5", ("days", "June"): "30", ("days", "January"): "31", ("days", "December"): "31", ("players", "a football team"): "11",
}  # fmt: skip
SIDES = {"triangle": "three", "square": "four", "rectangle": "four", "pentagon": "five", "hexagon": "six", "octagon": "eight", "circle": "no", "diamond": "four"}  # fmt: skip
USES = {
    "cut paper": "scissors", "write": "a pen", "eat soup": "a spoon", "open a lock": "a key", "tell the time": "a clock", "sweep the floor": "a broom", "drive a nail": "a hammer",
    "dry your hands": "a towel", "brush your teeth": "a toothbrush", "keep off the rain": "an umbrella", "cut bread": "a knife", "see far away": "a telescope", "sit": "a chair",
    "sleep": "a bed", "read": "a book", "call a friend": "a phone", "take photos": "a camera", "cool food": "a fridge", "light a room": "a lamp", "comb your hair": "a comb",
    "see": "your eyes", "hear": "your ears", "smell": "your nose", "taste": "your tongue", "walk": "your feet", "think": "your brain", "chew": "your teeth",
}  # fmt: skip
JOBS = {
    "bakes bread": "a baker", "flies planes": "a pilot", "teaches children": "a teacher", "helps sick people": "a doctor", "puts out fires": "a firefighter", "grows food": "a farmer",
    "cuts hair": "a hairdresser", "builds houses": "a builder", "cooks in a restaurant": "a cook", "catches fish": "a fisher", "paints pictures": "a painter", "brings letters": "a mail carrier",
    "treats animals": "a vet", "fixes teeth": "a dentist", "sings songs": "a singer", "writes books": "a writer", "drives a bus": "a bus driver", "fixes cars": "a mechanic",
}  # fmt: skip
PLAIN_FACTS = {
    "What do bees make?": "Bees make honey.", "What do cows give us?": "Cows give us milk.", "What do plants need to grow?": "Plants need water and light.", "What is ice made of?": "Ice is frozen water.",
    "What is bread made of?": "Bread is made of flour and water.", "What falls from clouds?": "Rain falls from clouds.", "What is the largest animal?": "The blue whale is the largest animal.",
    "Which animal has a trunk?": "An elephant has a trunk.", "Which animal has a long neck?": "A giraffe has a long neck.", "Which animal has black and white stripes?": "A zebra has black and white stripes.",
    "Which planet do we live on?": "We live on Earth.", "Which planet is closest to the sun?": "Mercury is closest to the sun.", "Which planet has rings?": "Saturn has rings.",
    "What goes around the Earth?": "The moon goes around the Earth.", "What does the Earth go around?": "The Earth goes around the sun.", "Is the sun a star?": "Yes, the sun is a star.",
    "Where does the sun rise?": "The sun rises in the east.", "Where does the sun set?": "The sun sets in the west.", "What is the tallest animal?": "The giraffe is the tallest animal.",
    "What is the largest ocean?": "The Pacific is the largest ocean.", "What is the highest mountain?": "Mount Everest is the highest mountain.", "What freezes to ice?": "Water freezes to ice.",
    "At how many degrees does water boil?": "Water boils at 100 degrees Celsius.", "At how many degrees does water freeze?": "Water freezes at 0 degrees Celsius.",
    "How many colors has a rainbow?": "A rainbow has seven colors.", "What do you get if you mix blue and yellow?": "Blue and yellow make green.", "What do you get if you mix red and yellow?": "Red and yellow make orange.",
    "What do you get if you mix red and blue?": "Red and blue make purple.", "What do you get if you mix black and white?": "Black and white make gray.", "What is the fastest land animal?": "The cheetah is the fastest land animal.",
    "What do we breathe?": "We breathe air.", "How many legs does a spider have?": "A spider has eight legs.", "How many wheels has a car?": "A car has four wheels.", "How many wheels has a bicycle?": "A bicycle has two wheels.",
    "Which is bigger, a mouse or an elephant?": "An elephant is bigger.", "Which is faster, a car or a snail?": "A car is faster.", "Which is heavier, a stone or a feather?": "A stone is heavier.",
}  # fmt: skip
SPELLED = (
    "cat", "dog", "sun", "tree", "fish", "book", "star", "moon", "house", "apple", "river", "green", "table", "bird", "seven", "cloud", "boat", "music", "water", "bread", "milk", "horse", "chair",
    "window", "garden", "school", "friend", "yellow", "orange", "purple", "flower", "summer", "winter", "monkey", "rabbit", "circle", "square", "pencil", "letter", "number", "happy", "small",
    "eight", "three", "night", "light", "knife", "cheese", "mouse", "queen", "king", "rain", "snow", "wind", "fire", "stone", "ship", "train", "plane", "sugar", "money", "party", "dance", "smile", "dream", "beach",
    "people", "because", "again", "other", "about", "little", "under", "after", "mother", "father", "sister", "brother", "city", "street", "bridge", "island", "forest", "ocean", "lemon", "onion", "tiger", "zebra",
)  # fmt: skip
